-- What a claim has taken so far: of each message its element and body, and more where its flag is not 0;
-- its id; its id and who holds it; and of each pack the same. And what it may take.
local taken, taken_ids, held_pairs, held_packs = {}, {}, {}, {}
local bytes, is_over = 0, false
local bytes_max, taker, plain_hold, keep_dead
-- A hash keeps short values in one block, and walks through it. One value above 64 bytes and it is a table.
local HOLD_PAD = '\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0'
