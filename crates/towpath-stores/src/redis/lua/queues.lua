-- The queues with ready messages and their lines, so many queues after a name.
--
-- ARGV: 2: the name, 3: how many queues at most
-- Answers per queue: its name, whether it is paused, and its lines: task, ready, the head of the best list.
local answer = {}
local after = ARGV[2] == '' and '-' or '(' .. ARGV[2]
for _, queue in ipairs(call('ZRANGEBYLEX', P .. 'q', after, '+', 'LIMIT', 0, tonumber(ARGV[3]))) do
  local lines, tasks = {}, call('ZRANGE', P .. 'l' .. queue, 0, 9999, 'WITHSCORES')
  for i = 1, #tasks, 2 do
    local task, ready = tasks[i], 0
    local line = line_of(queue, task)
    -- More priorities than that are not counted: a look must not hold everybody up.
    for _, priority in ipairs(call('ZRANGE', P .. 'p' .. line, 0, 999)) do
      ready = ready + call('LLEN', P .. 'r' .. line .. ':' .. priority)
        + tonumber(call('GET', P .. 'X' .. line .. ':' .. priority) or 0)
        - tonumber(call('HGET', P .. 'x' .. line .. ':' .. priority, 'n') or 0)
    end
    lines[#lines + 1] = task
    lines[#lines + 1] = ready
    lines[#lines + 1] = call('LINDEX', P .. 'r' .. line .. ':' .. string.format('%.0f', tasks[i + 1]), 0)
  end
  answer[#answer + 1] = { queue, call('SISMEMBER', P .. 'u', queue), lines }
end
return answer
