-- How many messages are in each state: scheduled, running, succeeded, dead, revoked, all.
local running = call('HLEN', P .. 'h')
for _, held in ipairs(call('HVALS', P .. 'H')) do
  running = running + struct.unpack('>I2', held, 67)
end
return {
  call('ZCARD', P .. 'z'),
  running,
  call('ZCARD', P .. 's'),
  call('ZCARD', P .. 'd'),
  call('SCARD', P .. 'k'),
  call('HLEN', P .. 'b') + call('HLEN', P .. 'B'),
}
