-- How many messages are in each state: scheduled, running, succeeded, dead, revoked, all.
return {
  call('ZCARD', P .. 'z'),
  call('HLEN', P .. 'h'),
  call('ZCARD', P .. 's'),
  call('ZCARD', P .. 'd'),
  call('SCARD', P .. 'k'),
  call('HLEN', P .. 'b'),
}
