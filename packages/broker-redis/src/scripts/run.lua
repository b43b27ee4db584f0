-- run.lua: a run as the kernel sees it, read lazily and written once.
--
-- A transition loads each run it touches at most once, changes it in memory, and `save` writes everything at the end: all
-- that can fail comes before the first write, and what many reports of one batch say of one join costs one write.
--
-- Fields of the hash r:<run>
--   m            state, closing, decided, on failure, deferred; generation, open nodes, plan, time of end in base 36: see `metaOf`;
--                after a D when the run is damaged: see damage.lua
--   c            time of submission in base 36
--   w            1 while its start is delayed
--   i            the input
--   <address>    r (ready or running), once tried or lost with <tries>,<ms>,<lost>, and where it expires with when: ,<due>
--                s<due>|<tries>|<mark>|<ms> (scheduled), or an end: see below
--   j<address>   the join of a blocked node, once an edge of several has been resolved
--   l<address>   the last failure of a node that is tried again
--   n<address>   the number of elements of a fork, once decided
--   e<address>   the instances of a collect: elements, released, ended, dropped
--   y            the token of the last retry
--   x            how far its deferred work is: see work.lua
-- A blocked node has no field under its address.

local findPacked -- in bucket.lua, where runs of one node are
local loadWork   -- in work.lua

-- The plan of what was read last: the next run is mostly one of it, so that what it will be asked for can be read along with
-- its field m.
local usual

local reported       -- reports since all was forgotten: see `forgetAll`

local runs           -- loaded, by id
local touched        -- those of them that have changed, in order
local raw            -- what buckets say of runs, by id; false where that is nothing
local packs, drops   -- bucket -> what to write there: field, value, ...; and fields to remove
local closing        -- those that began to close
local closingLate    -- those of them of which nothing is ended before all reports are in, while these are read
local pushes         -- list -> entries to append
local queueOf        -- the same, by program
local fronts         -- list -> entries to put first, the first one first
local trims          -- list -> entries to take away at its head
local unsuspected    -- suspects to take away: list, entry
local parked         -- task keys of which something is parked, or nothing any more: tasks (their set), task, isOver
local stages         -- elements to keep: key, then an array of payloads or the name of a staged hash
local unused         -- staged hashes that are used up
local timers         -- score, member, score, member, ...
local woken          -- queue -> how much it got
local ended          -- state -> what is told and kept of runs that ended
local events         -- what happened, when somebody listens
local watched        -- whether somebody does, once known
local freed          -- run \t address of what this call takes back: the workers' hashes still have it
local out            -- run \t address of all that is out, once somebody asks

-- Flags say what need not be looked at: one read instead of one per possibility. Fields of the hash `flags`
--   watched        until when somebody listens to events
--   x              runs have deferred work
--   swept          when somebody swept last
--   reconciled     when somebody looked for what is lost, at which start of the server, and whether it is done
--   s:<queue>, k:<queue>   the queue has suspects, or parked nodes
--   b:<queue>      the bands it has ever used, as digits in order
local flags, newFlags

local function flag(name)
  local value = flags[name]
  if value == nil then
    value = callShared('HGET', prefix .. 'flags', name)
    flags[name] = value
  end
  return value
end

local function loadFlags(names)
  local values = callShared('HMGET', prefix .. 'flags', unpack(names))
  for i = 1, #names do flags[names[i]] = values[i] end
  watched = tonumber(flags.watched or 0) > now
end

local function setFlag(name, value)
  if flag(name) == value then return end
  flags[name] = value
  newFlags[name] = value
end

-- ---- loading ---------------------------------------------------------------------------------------------------------

-- What `m` says, as the metatable of a run: what stands behind it but for the open nodes, and those. The runs of a batch mostly
-- say the same.
local metaOf, rememberMetas

do

local function parseStanding(standing)
  local state, close, decided, onFailure, deferred, generation, hash, endedAt =
    match(standing, '^([RSFX])(.)(.)(.)(.)(%d+),([^,]*),?(%w*)$')
  if not state then unreadable('its field m') end
  return {
    state = state, closing = close, decided = decided, onFailure = onFailure, wasDeferred = deferred == 'D',
    generation = generation, hash = hash, endedAt = endedAt ~= '' and endedAt or false,
    set = false, del = false, joins = false, expansions = false, exit = false, touched = false, isPacked = false,
    work = false, head = 1, rewritten = false, next = 1, last = 1, read = 0, base = false, partial = false, later = false
  }
end

rememberMetas = function()
  local standingOf = remember(50, parseStanding)
  metaOf = remember(50, function(m)
    if byte(m) == 68 then return { isDamaged = true } end -- D
    local before, open, after = match(m, '^(.....%d+,)(%d+),(.*)$')
    if not before then unreadable('its field m') end
    return { __index = standingOf[before .. after], open = tonumber(open) }
  end)
end

end

local function touch(run)
  if run.touched then return end
  run.touched = true
  touched[#touched + 1] = run
end

local function enlist(run)
  if run.wasDeferred then
    loadWork(run)
    touch(run)
  end
  runs[run.id] = run
  return run
end

local function absent(id)
  local packed = findPacked(id)
  if packed then return packed end
  runs[id] = false
  return false
end

-- A run that is about to change: what nearly every change writes has its place from the start.
local function makeRun(id, key, m, fields)
  local meta = metaOf[m]
  if meta.isDamaged then return absent(id) end
  local standing = meta.__index
  usual = planOf(standing.hash)
  return enlist(setmetatable({
    id = id, key = key, plan = usual, fields = fields, open = meta.open, state = standing.state, decided = standing.decided,
    endedAt = standing.endedAt, set = false, touched = false
  }, meta))
end

-- A run that is looked at.
local function viewRun(id, key, m, fields)
  local meta = metaOf[m]
  if meta.isDamaged then return absent(id) end
  usual = planOf(meta.__index.hash)
  return enlist(setmetatable({ id = id, key = key, plan = usual, fields = fields, open = meta.open }, meta))
end

local function loadRun(id)
  atWork = id
  local run = runs[id]
  if run ~= nil then return run end
  local packed = findPacked(id)
  if packed then return packed end
  local key = prefix .. 'r:' .. id
  local m = call('HGET', key, 'm')
  if not m then return absent(id) end
  return makeRun(id, key, m, {})
end

-- A run to read a cell of; the input comes along when it is needed.
local function loadRunWith(id, address, needsInput)
  atWork = id
  local run = runs[id]
  if run ~= nil then return run end
  local packed = address == '0' and findPacked(id)
  if packed then return packed end
  local key, values, fields = prefix .. 'r:' .. id, nil, nil
  if needsInput then
    values = call('HMGET', key, 'm', address, 'i')
    fields = { [address] = values[2], i = values[3] }
  else
    values = call('HMGET', key, 'm', address)
    fields = { [address] = values[2] }
  end
  if not values[1] then return absent(id) end
  return viewRun(id, key, values[1], fields)
end

local function get(run, field)
  local value = run.fields[field]
  if value == nil then
    value = call('HGET', run.key, field)
    run.fields[field] = value
  end
  return value
end

local function put(run, field, value)
  run.fields[field] = value
  local set = run.set
  if set then
    local count = #set
    set[count + 1] = field
    set[count + 2] = value
  else
    run.set = { field, value, nil, nil, nil, nil, nil, nil } -- room for what mostly follows
    touch(run)
  end
end

-- A field put after that is kept.
local function remove(run, field)
  run.fields[field] = false
  if not run.del then run.del = {} end
  run.del[#run.del + 1] = field
  touch(run)
end

-- Whether all elements that were staged are still there: asked before anything is written, as a rename without a source
-- fails in the middle of `save`.
local function areStaged(forks)
  for _, fork in ipairs(forks) do
    if type(fork[3]) == 'string' and call('EXISTS', fork[3]) == 0 then return false end
  end
  return true
end

local function tell(event, run, ...)
  if watched == nil then watched = tonumber(flag('watched') or '0') > now end
  if watched then events[#events + 1] = { event, run.id, now, ... } end
end

-- ---- addresses -------------------------------------------------------------------------------------------------------

-- '7.3.12' -> the frame '7.3.', the node 12
local place
local function parseAddress(address)
  local frame, node = match(address, '^(.*%.)(%d+)$')
  return { frame = frame or '', node = tonumber(node or address) }
end

local function split(address)
  local known = place[address]
  return known.frame, known.node
end

-- '7.3.' -> '', '7', '3': the frame around, the collect, the position of the element
local function around(frame)
  return match(frame, '^(.-)(%d+)%.(%d+)%.$')
end

-- The address of a plan node as seen from a frame of `body`: in the frame itself or in one around it.
local function visible(run, frame, body, node)
  local target = programOf(run, node).b
  while body ~= target do
    frame = around(frame)
    body = bodiesOf(run)[body + 1].parent
  end
  return frame .. text[node]
end

-- ---- cells -----------------------------------------------------------------------------------------------------------
-- Ends: S<number>|<ms>|<mark>|<value>   succeeded; number is the edge that fired or the count of elements; ms is what its
--         attempts took, and after an x their number where there were several; for the mark see hold.lua
--       F<tries>|<ms>|<mark>|<declared 0/1>|<tag>\n<error>   failed
--       K<address of the failed node>   skipped       V   void       X<mark>   cancelled

local KINDS = { [83] = true, [70] = true, [75] = true, [86] = true, [88] = true, [114] = true, [115] = true } -- S F K V X r s

-- Where a cell is passed over for what it says: it is to say something.
local function checkCell(address, value)
  if not KINDS[byte(value)] then unreadable('node ' .. address) end
end

local function isEnd(value)
  if not value then return false end
  local first = byte(value)
  return first ~= 114 and first ~= 115 -- r, s
end

local function causeOf(address, value)
  if byte(value) == 75 then return sub(value, 2) end -- K
  return address
end

local function isActive(value) return value == 'r' or value and byte(value) == 114 end

-- Tries, ms and lost deliveries of what is ready, running or scheduled.
local function historyOf(value)
  local tries, ms, lost = match(value, '^r(%d+),(%d+),(%d+)')
  if tries then return tonumber(tries), tonumber(ms), tonumber(lost) end
  tries, ms = match(value, '^s%d+|(%d+)|[^|]*|(%d+)$')
  if tries then return tonumber(tries), tonumber(ms), 0 end
  return 0, 0, 0
end

local function countOf(value)
  return tonumber(match(value, '^S(%-?%d+)|')) or 0
end

local function failureOf(run, cause)
  local declared, tag = match(get(run, cause) or '', '^F%d+|[%dx]+|[^|]*|([01])|([^\n]*)\n')
  if not declared then unreadable('the failure of node ' .. cause) end
  return declared == '1', tag
end

-- ---- time ------------------------------------------------------------------------------------------------------------

local shortTime

do

-- A number in base 36, so many digits of it.
local function base36(number, count)
  local written = ''
  for _ = 1, count do
    local digit = number % 36
    written = sub('0123456789abcdefghijklmnopqrstuvwxyz', digit + 1, digit + 1) .. written
    number = (number - digit) / 36
  end
  return written
end

-- The time of this call in 8 characters instead of 13; the first 6 stay for more than a second.
local block, ofBlock, inBlock
shortTime = function()
  if nowShort then return nowShort end
  local low = now % 1296
  if now - low ~= block then
    block = now - low
    ofBlock = base36(block / 1296, 6)
    inBlock = inBlock or remember(1296, function(number) return base36(number, 2) end)
  end
  nowShort = ofBlock .. inBlock[low]
  return nowShort
end

end

-- ---- ends of runs ----------------------------------------------------------------------------------------------------

-- What is told of a run that ended: its id, and where that is all its value takes, and little, the generation and the end of
-- its exit; so that who awaits it has no need to read them.
local function noteEnd(id, generation, state, exit)
  local over = ended[state]
  if not over then
    over = { entries = {}, said = {} }
    ended[state] = over
  end
  local count = #over.said + 1
  over.entries[count] = generation == '1' and id or id .. '\t' .. generation
  local isTold = state == 'S' and exit and #exit <= 256 and not find(exit, '[\t\n]')
  over.said[count] = isTold and id .. '\n' .. generation .. '\n' .. exit or id
end

-- ---- the beginning of a call -----------------------------------------------------------------------------------------

do

-- Reports after which all that is remembered is forgotten: of what is no more in use, say of a large plan, the collector of
-- garbage would look at all again and again.
local memory = 20000

local function forgetAll()
  text, place = remember(most, textOf), remember(most, parseAddress)
  rememberMetas()
  forgetPlans()
  usual, reported = nil, 0
end

begin = function(key)
  if not text or reported > memory then forgetAll() end
  if not touched then
    touched, packs, drops, closing, fronts, trims, unsuspected, parked = {}, {}, {}, {}, {}, {}, {}, {}
    stages, unused, timers, events, freed, newFlags = {}, {}, {}, {}, {}, {}
  end
  local clock = call('TIME')
  prefix = key
  nowText = clock[1] .. sub('00000' .. clock[2], -6, -4) -- the second part: microseconds
  now, nowShort = tonumber(nowText), nil
  runs, raw, pushes, queueOf, woken, ended, flags, watched, out, closingLate = {}, {}, {}, {}, {}, {}, {}, nil, nil, nil
  -- Most calls have no use for these: to make such a table costs more than to look into it.
  if touched[1] then touched = {} end
  if closing[1] then closing = {} end
  if unsuspected[1] then unsuspected = {} end
  if parked[1] then parked = {} end
  if stages[1] then stages = {} end
  if unused[1] then unused = {} end
  if timers[1] then timers = {} end
  if events[1] then events = {} end
  if next(packs) then packs = {} end
  if next(drops) then drops = {} end
  if next(fronts) then fronts = {} end
  if next(trims) then trims = {} end
  if next(freed) then freed = {} end
  if next(newFlags) then newFlags = {} end
end

end
