-- claim.lua: hands ready nodes to a worker. The same rules as core's engine/claim.ts: highest priority first over all its
-- queues, first in first out within a band; what it can't run is parked by task key; suspects go out alone.
--
-- An entry whose cell is not ready any more, or is of an earlier generation, is passed over.

local isHolding -- in hold.lua
local claim

do

-- Bytes of inputs, elements and ends in one reply, but for those of a delivery that has more by itself.
local mostBytes = 1048576

local function canRun(holder, task)
  if not task then return true end
  local known = holder.runs[task]
  if known == nil then
    known = find(holder.known, '\t' .. task .. '\t', 1, true) ~= nil
    holder.runs[task] = known
  end
  return known
end

-- What this call adds to a list is taken from its beginning.
local function isLeft(added) return added and #added > (added.taken or 0) end

local function copyLeft(added, entries, count)
  local taken = added.taken or 0
  for i = taken + 1, min(#added, taken + count) do entries[#entries + 1] = added[i] end
end

local function takeLeft(added, count) added.taken = (added.taken or 0) + count end

-- The next entries of a list: those this call gives back; after them those that stand there, then those it appends; how many
-- stand there; and whether these are the last.
local function peek(list, count)
  if isLeft(fronts[list]) then
    local entries = {}
    copyLeft(fronts[list], entries, count)
    return entries, 0, false
  end
  local from = trims[list] or 0
  local entries = callShared('LRANGE', list, text[from], text[from + count - 1])
  local standing = #entries
  if isLeft(pushes[list]) then copyLeft(pushes[list], entries, count - standing) end
  return entries, standing, #entries < count
end

-- Takes what was peeked at.
local function take(list, count, standing)
  if isLeft(fronts[list]) then return takeLeft(fronts[list], count) end
  if standing > 0 then trims[list] = (trims[list] or 0) + standing end
  if count > standing then takeLeft(pushes[list], count - standing) end
end

-- The cell of a queue entry, if it may be handed out: run, address, program, tries, lost, since.
local function parse(entry)
  local tab = find(entry, '\t', 1, true)
  local id = sub(entry, 2, (tab or 0) - 1)
  local address, tries, lost, generation, since
  local second = tab and find(entry, '\t', tab + 1, true)
  if second then
    address = sub(entry, tab + 1, second - 1)
    tries, lost, generation, since = match(entry, '^(%d+)\t(%d+)\t(%d+)\t?(%d*)$', second + 1)
  else
    address, tries, lost, generation = tab and sub(entry, tab + 1) or '0', '0', '0', '1'
  end
  local run = loadRunWith(id, address, byte(entry) == 105) -- i
  if not run or run.state ~= 'R' or run.generation ~= generation then return nil end
  local value = run.fields[address] or get(run, address)
  if value ~= 'r' or second then
    if not isActive(value) then
      if value then checkCell(address, value) end
      return nil
    end
    -- One that was put back elsewhere since: see reconcile.lua.
    local tried, _, gone = historyOf(value)
    if tonumber(tries) ~= tried or tonumber(lost) ~= gone then return nil end
  end
  local node = place[address].node
  local program = run.plan.nodes[node] or programOf(run, node)
  if run.closing ~= '-' and not program.c then return nil end
  return run, address, program, tries, lost, tonumber(since)
end

-- A suspect for the worker, and where it stands; 'wait' when the worker has to finish what it holds first; or nil.
local function suspectFor(holder, queues, lease)
  for _, queue in ipairs(queues) do
    if flag('s:' .. queue) == '1' then
      local list = prefix .. 's:' .. queue
      local entries = callShared('LRANGE', list, 0, 19)
      -- What this very call gives back is not written yet.
      for _, entry in ipairs(pushes[list] or NONE) do entries[#entries + 1] = entry end
      if #entries == 0 then setFlag('s:' .. queue, '0') end
      for _, entry in ipairs(entries) do
        local run, address, program, tries, lost, since = parse(entry)
        if not run then
          unsuspected[#unsuspected + 1] = { list = list, entry = entry }
        elseif canRun(holder, program.t) then
          local isPatient = now - since < lease
          local reservedBy = callShared('HGET', prefix .. 'reserved', entry)
          local isReserved = reservedBy and reservedBy ~= holder.worker and callShared('ZSCORE', prefix .. 'ws', reservedBy)
          if not (isReserved and isPatient) then
            if isPatient and isHolding(holder) then return 'wait', entry end
            return { run = run, address = address, program = program, tries = tries, lost = lost, entry = entry, list = list }
          end
        end
      end
    end
  end
  return nil
end

local function park(queued, program)
  local queue, task = program.w, program.t
  local list = prefix .. 'k:' .. queue .. ':' .. program.y .. ':' .. task
  if not pushes[list] then
    parked[#parked + 1] = { tasks = prefix .. 'kt:' .. queue, task = task }
    setFlag('k:' .. queue, '1')
  end
  table.insert(appendedTo(list), queued)
  woken[queue] = 1000 -- nobody knows which of them can run it
end

-- What entries are of: the runs, the addresses, and whether they are first attempts, which say no more.
local function takeApart(entries)
  local ids, addresses, areFirst = {}, {}, {}
  for i = 1, #entries do
    local entry = entries[i]
    local tab = find(entry, '\t', 1, true)
    if tab then
      local second = find(entry, '\t', tab + 1, true)
      ids[i], addresses[i], areFirst[i] = sub(entry, 2, tab - 1), sub(entry, tab + 1, (second or 0) - 1), not second
    else
      ids[i], addresses[i], areFirst[i] = sub(entry, 2), '0', true
    end
  end
  return ids, addresses, areFirst
end

-- Ends that are read on a guess, at most.
local mostGuessed = 10

-- Adds the ends that the input of a node needs, as far as can be guessed before its plan is known.
local function addNeeds(names, count, address)
  local program = usual and usual.nodes[place[address].node]
  local near = program and program.near
  if not near or #near > mostGuessed then return count end
  for i = 1, #near do names[count + i] = near[i] end
  return count + #near
end

-- The entries of one run mostly stand together: what their cells say is read at once. Returns the last of them.
local function readTogether(entries, ids, addresses, from)
  local id, last = ids[from], from
  while ids[last + 1] == id do last = last + 1 end
  local run = runs[id]
  if run == false or raw[id] then return last end
  atWork = id
  local fields = run and run.fields or {}
  local names, count, hasInput = { 'm', nil, nil, nil, nil, nil, nil, nil }, 1, fields.i ~= nil
  for i = from, last do
    local address = addresses[i]
    if fields[address] == nil then
      count = count + 1
      names[count] = address
    end
    if not run and from == last then count = addNeeds(names, count, address) end
    if not hasInput and byte(entries[i]) == 105 then -- i
      count = count + 1
      names[count] = 'i'
      hasInput = true
    end
  end
  if run and count == 1 then return last end
  local key = prefix .. 'r:' .. id
  local values = call('HMGET', key, unpack(names))
  for i = 2, count do fields[names[i]] = values[i] end
  if not run then
    if values[1] then viewRun(id, key, values[1], fields) else absent(id) end
  end
  return last
end

-- Whether the reply has room for more.
local function hasRoom(holder, wanted) return holder.count < wanted and holder.bytes < mostBytes end

-- Hands out, or parks, what is ready for the first time and has been read as no more than a text; whether it was that.
local function handFresh(holder, reply, entry, id, isFor)
  local head, stop, value = freshOf(id)
  if not head then return false end
  local plan = planOf(head.hash)
  local program = plan.nodes[0] or programOf({ plan = plan }, 0)
  if isFor(program) then
    deliverFresh(holder, reply, id, head.hash, program.u and sub(value, stop + 9) or '')
  else
    park(entry, program)
  end
  return true
end

-- Fills `reply` from a list; returns how many entries it has looked at, `looked` included.
local function drain(holder, reply, list, wanted, looked)
  local lastRun, isOpen -- mostly some of one run stand together
  local last, isRunnable -- mostly they are of one task
  local function isFor(program)
    if program ~= last then last, isRunnable = program, canRun(holder, program.t) end
    return isRunnable
  end
  while hasRoom(holder, wanted) and looked < wanted + 200 do
    local entries, standing, isLast = peek(list, wanted - holder.count)
    local count = #entries
    if count == 0 then break end
    local ids, addresses, areFirst = takeApart(entries)
    loadPacked(ids, addresses)
    local read = 0
    for i = 1, count do
      if holder.bytes >= mostBytes then
        count = i - 1
        break
      end
      local entry, id, address = entries[i], ids[i], addresses[i]
      if not (areFirst[i] and address == '0' and handFresh(holder, reply, entry, id, isFor)) then
        if i > read then read = readTogether(entries, ids, addresses, i) end
        local run, program, isFirst, tries, lost = runs[id], nil, false, '0', '0'
        if run ~= lastRun then
          lastRun, isOpen = run, run and run.state == 'R' and run.closing == '-' and run.generation == '1'
        end
        if areFirst[i] and isOpen and run.fields[address] == 'r' then
          atWork = id
          isFirst = true
          local node = place[address].node
          program = run.plan.nodes[node] or programOf(run, node)
        else
          run, address, program, tries, lost = parse(entry)
        end
        if not run then
          -- passed over
        elseif isFor(program) then
          deliver(holder, reply, run, id .. '\t' .. address, address, program, isFirst, tries, lost)
        else
          park(entry, program)
        end
      end
    end
    take(list, count, min(count, standing))
    looked = looked + count
    if isLast then break end
  end
  return looked
end

-- The bands that were ever used: by band, then in the order of the queues.
local function bandsIn(queues)
  local used = {}
  for place, queue in ipairs(queues) do
    local bands = flag('b:' .. queue) or ''
    for i = 1, #bands do used[#used + 1] = { band = sub(bands, i, i), queue = queue, place = place } end
  end
  if used[2] then
    table.sort(used, function(a, b)
      if a.band ~= b.band then return a.band < b.band end
      return a.place < b.place
    end)
  end
  return used
end

-- What it can run is parked no more: all that was has been handed out.
local function unpark(holder, queues)
  for _, queue in ipairs(queues) do
    if flag('k:' .. queue) == '1' then
      local key, rest = prefix .. 'kt:' .. queue, false
      for _, one in ipairs(parked) do rest = rest or one.tasks == key end
      for _, task in ipairs(callShared('ZRANGE', key, 0, -1)) do
        if canRun(holder, task) then parked[#parked + 1] = { tasks = key, task = task, isOver = true } else rest = true end
      end
      if not rest then setFlag('k:' .. queue, '0') end
    end
  end
end

-- Returns whether there is more that this call could not look at.
claim = function(holder, reply, queues, wanted, lease)
  local suspect, entry = suspectFor(holder, queues, lease)
  if suspect == 'wait' then
    holder.reserve = entry
    return false
  end
  if suspect then
    local run, address = suspect.run, suspect.address
    deliver(holder, reply, run, run.id .. '\t' .. address, address, suspect.program, false, suspect.tries, suspect.lost)
    holder.suspect = suspect
    return false
  end
  local looked = 0
  for _, at in ipairs(bandsIn(queues)) do
    local queue, band = at.queue, at.band
    if flag('k:' .. queue) == '1' then
      for _, task in ipairs(callShared('ZRANGE', prefix .. 'kt:' .. queue, 0, -1)) do
        if canRun(holder, task) then
          looked = drain(holder, reply, prefix .. 'k:' .. queue .. ':' .. band .. ':' .. task, wanted, looked)
        end
      end
    end
    looked = drain(holder, reply, prefix .. 'q:' .. queue .. ':' .. band, wanted, looked)
    if not hasRoom(holder, wanted) then break end
  end
  if holder.count >= wanted then return false end
  local more = looked >= wanted + 200 or holder.bytes >= mostBytes
  if not more then unpark(holder, queues) end
  return more
end

end
