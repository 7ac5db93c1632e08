-- For a settle with which no lock ends: it pays for nothing that has to do with locks.
local unlock_linked
