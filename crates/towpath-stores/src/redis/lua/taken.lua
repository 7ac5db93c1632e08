-- What a claim has taken so far: of each message its element and body, and more where its flag is not 0;
-- its id; its id and who holds it; and of each pack the same. How much of that was plain, and what it may take.
local taken, taken_ids, held_pairs, held_packs = {}, {}, {}, {}
local bytes, is_over, plain = 0, false, 0
local bytes_max, enough, before, taker, plain_hold, keep_dead
-- A hash keeps short values in one block, and walks through it. One value above 64 bytes and it is a table.
local HOLD_PAD = '\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0'
