-- hold.lua: what a worker holds. w:<worker> is a hash of
--   run \t address   claimed at (13 digits) tries,nonce,lost of a delivery
--   #known      that it is registered: its task keys, with a tab around each
--   #sequence   the bases of the nonces of the last four calls: one that is sent again is known by it
--   #alone      the nonce of a suspect it holds; it gets nothing else meanwhile
-- The presence of a field with the right tries and nonce is the fence: who takes a delivery back deletes the field.

local function makeHolder(worker, key)
  return { worker = worker, key = key, held = {}, gone = {}, taken = {}, runs = {}, count = 0, places = 0, bytes = 0, hash = '' }
end

-- A fence that nobody can read is no worker's: the delivery is given back by the next renewal.
local function parseHeld(value)
  local tries, nonce, lost = match(value, '^(%d+),([^,]*),(%d+)$', 14)
  return { nonce = nonce or '', tries = tonumber(tries or 0), lost = tonumber(lost or 0), claimedAt = tonumber(sub(value, 1, 13)) or 0 }
end

-- Loads the fields that the reports of `argv` from `first` on speak of, four arguments each.
local function loadHolder(worker, argv, first)
  local holder = makeHolder(worker, prefix .. 'w:' .. worker)
  local held = holder.held
  local last = min(first + 3996, #argv)
  repeat
    local fields = {}
    for i = first, last, 4 do fields[#fields + 1] = argv[i] end
    local values = call('HMGET', holder.key, '#known', '#sequence', '#alone', unpack(fields))
    holder.known, holder.sequence, holder.alone = values[1], values[2], values[3]
    for i = 1, #fields do held[fields[i]] = values[i + 3] end
    first, last = last + 4, min(last + 4000, #argv)
  until first > #argv
  return holder
end

-- Whether it holds anything beyond what this call settles.
isHolding = function(holder)
  local own = 0
  if holder.known then own = own + 1 end
  if holder.sequence then own = own + 1 end
  if holder.alone then own = own + 1 end
  return callShared('HLEN', holder.key) - own - #holder.gone > 0
end

local function forget(holder, field)
  holder.held[field] = nil
  holder.gone[#holder.gone + 1] = field
end

local function letGo(holder, field, nonce)
  forget(holder, field)
  freed[field] = true
  if holder.alone and holder.alone == nonce then
    holder.alone = nil
    holder.gone[#holder.gone + 1] = '#alone'
  end
end

local function saveHolder(holder)
  local taken, suspect = holder.taken, holder.suspect
  callWith('HDEL', holder.key, holder.gone)
  if #taken > 0 and holder.base ~= '' then
    taken[#taken + 1] = '#sequence'
    taken[#taken + 1] = sub(holder.base .. (holder.sequence or ''), 1, 64)
  end
  if suspect then
    taken[#taken + 1] = '#alone'
    taken[#taken + 1] = holder.base .. '.0'
    call('LREM', suspect.list, 1, suspect.entry)
    call('HDEL', prefix .. 'reserved', suspect.entry)
  end
  callWith('HSET', holder.key, taken)
  if holder.reserve then call('HSET', prefix .. 'reserved', holder.reserve, holder.worker) end
end

-- i:<queue> are the workers that were given less than they asked for: they are told when there is more. It is a hint: a
-- worker asks now and then by itself.
local function startWaiting(worker, queues)
  for _, queue in ipairs(queues) do callOver('SADD', prefix .. 'i:' .. queue, { worker }) end
end

local function stopWaiting(worker, queues)
  for _, queue in ipairs(queues) do redis.pcall('SREM', prefix .. 'i:' .. queue, worker) end
end

-- The same in all its queues, for who does not know them.
local function leaveQueues(worker)
  local isJson, info = pcall(cjson.decode, callShared('HGET', prefix .. 'wi', worker) or '')
  if isJson and type(info) == 'table' then stopWaiting(worker, info.queues or NONE) end
end

-- What is kept of a nonce (16 characters of its call, a dot, a number) once its delivery is over: enough to know the same
-- report again.
local function markOf(nonce) return sub(nonce, 11) end

-- Whether the outcome of this delivery is what the cell says: then the report has come before.
local function wasRecorded(run, address, nonce)
  local value = get(run, address)
  if not value then return false end
  local first, mark = byte(value), markOf(nonce)
  if first == 115 then return match(value, '^s%d+|%d+|([^|]*)|') == mark end
  if first == 88 then return sub(value, 2) == mark end -- X
  return (first == 83 or first == 70) and match(value, '^.%-?%d+|[%dx]+|([^|]*)|') == mark -- S, F
end

local giveBack, lose

do

-- Notes of nodes that were given up, the newest last: <run> \t <address> \t <attempt> \t <lost deliveries> \t <when>. A note
-- holds as long as the cell says so; who reads them passes over the others.
local function bury(run, address, attempt, lost)
  local list, most = prefix .. 'dead', 10000
  local notes = pushes[list] or {}
  pushes[list] = notes
  notes[#notes + 1] = concat({ run.id, address, text[attempt], text[lost], nowText }, '\t')
  local excess = callShared('LLEN', list) + #notes - most
  if excess > 0 then trims[list] = excess end
end

-- The worker holds it no longer, for this reason.
local function takeBack(holder, run, address, held, reason)
  letGo(holder, run.id .. '\t' .. address, held.nonce)
  tell('NodeReleased', run, address, held.tries + 1, reason)
end

-- Ready again: first in its queue.
local function putBack(run, address, program, held, lost)
  local list = prefix .. 'q:' .. program.w .. ':' .. program.y
  fronts[list] = fronts[list] or { queue = program.w }
  table.insert(fronts[list], 1, entryOf(run, address, program, held.tries, lost))
  if lost > held.lost or program.x and program.x.expires then
    local _, ms = historyOf(get(run, address))
    putReady(run, address, program, held.tries, lost, ms)
  end
end

-- Ready again, as a suspect: apart from the others.
local function makeSuspect(run, address, program, held, lost)
  local _, ms = historyOf(get(run, address))
  local entries = suspectsOf(program)
  entries[#entries + 1] = entryOf(run, address, program, held.tries, lost) .. '\t' .. nowText
  putReady(run, address, program, held.tries, lost, ms)
end

-- Given back untried: among the suspects where it is one.
giveBack = function(holder, run, address, program, held)
  local isSuspect = holder.alone == held.nonce
  takeBack(holder, run, address, held, 'released')
  if not isActive(get(run, address)) then return end
  if isClosedFor(run, program) then endCell(run, address, program, 'X')
  elseif isSuspect then makeSuspect(run, address, program, held, held.lost)
  else putBack(run, address, program, held, held.lost) end
end

-- Lost with its worker: given up when it has taken so many along; a suspect from the second on, or from the last but one.
lose = function(holder, run, address, program, held, maxLost)
  takeBack(holder, run, address, held, 'lost')
  if not isActive(get(run, address)) then return end
  local lost = held.lost + 1
  if lost >= maxLost then
    endCell(run, address, program, 'F' .. text[held.tries + 1] .. '|0||0|PoisonPill\n{"_tag":"PoisonPill","deliveries":' .. lost .. '}')
    bury(run, address, held.tries + 1, lost)
  elseif isClosedFor(run, program) then
    endCell(run, address, program, 'X')
  elseif lost >= min(2, maxLost - 1) then
    makeSuspect(run, address, program, held, lost)
  else
    putBack(run, address, program, held, lost)
  end
end

end

local deliveriesIn

do

-- The last claimed first, so that all that is given back stands in its queue in the order it was claimed. Of the calls of one
-- millisecond the sequence says which was later; it has the newest first.
local function isLater(a, b)
  if a.claimedAt ~= b.claimedAt then return a.claimedAt > b.claimedAt end
  if a.call ~= b.call then return a.call < b.call end
  return a.number > b.number
end

-- The deliveries among fields and their values, the last claimed first.
deliveriesIn = function(fields)
  local all, sequence = {}, ''
  for i = 1, #fields, 2 do
    if find(fields[i], '\t', 1, true) then
      local held = parseHeld(fields[i + 1])
      held.field = fields[i]
      all[#all + 1] = held
    elseif fields[i] == '#sequence' then
      sequence = fields[i + 1]
    end
  end
  for _, held in ipairs(all) do
    local base, number = match(held.nonce, '^(.*)%.(%d+)$')
    held.call = base and find(sequence, base, 1, true) or 100
    held.number = tonumber(number) or 0
  end
  table.sort(all, isLater)
  return all
end

end

-- Every delivery it holds, with its field.
local function allHeld(holder) return deliveriesIn(callShared('HGETALL', holder.key)) end

-- So many of them, the last claimed. Of who holds very many no more is read than when each was claimed.
local function someHeld(holder, most)
  local fields = callShared('HGETALL', holder.key)
  if #fields > 4 * most then
    local counts, times, recent = {}, {}, {}
    for i = 1, #fields, 2 do
      local time = find(fields[i], '\t', 1, true) and sub(fields[i + 1], 1, 13)
      if time and not counts[time] then times[#times + 1] = time end
      if time then counts[time] = (counts[time] or 0) + 1 end
    end
    table.sort(times)
    local first, count = #times + 1, 0
    while count < most and first > 1 do
      first = first - 1
      count = count + counts[times[first]]
    end
    for i = 1, #fields, 2 do
      if fields[i] == '#sequence' or find(fields[i], '\t', 1, true) and sub(fields[i + 1], 1, 13) >= times[first] then
        recent[#recent + 1] = fields[i]
        recent[#recent + 1] = fields[i + 1]
      end
    end
    fields = recent
  end
  local some = deliveriesIn(fields)
  for i = #some, most + 1, -1 do some[i] = nil end
  return some
end

-- The run and the address of a delivery, and the program.
local function cellOf(held)
  local id, address = match(held.field, '^([^\t]*)\t(.*)$')
  local run = loadRun(id)
  if not run then return nil end
  local _, node = split(address)
  return run, address, programOf(run, node)
end
