-- Deletes all that is known of messages that stand nowhere.
local function delete(ids)
  call('HDEL', P .. 'b', unpack(ids))
  rung.c = true
  if call('EXISTS', P .. 'm', P .. 't', P .. 'v', P .. 'g', P .. 'f', P .. 'y') == 0 then
    return
  end
  for _, key in ipairs({ 'm', 't', 'v', 'g', 'f', 'y' }) do
    if call('EXISTS', P .. key) == 1 then
      call('HDEL', P .. key, unpack(ids))
    end
  end
end
