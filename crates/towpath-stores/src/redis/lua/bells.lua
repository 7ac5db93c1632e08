-- Who is to be woken, each at most once in a script: w(ork), s(chedule), c(hange), r(evocation), u(nlock).
local rung = {}
local function ring_all()
  for bell in pairs(rung) do
    call('PUBLISH', P .. 'bell:' .. bell, '')
  end
end
