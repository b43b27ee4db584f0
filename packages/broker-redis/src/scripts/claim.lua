-- claim.lua: hands ready nodes to a worker. The same rules as core's engine/claim.ts: highest priority first over all its
-- queues, first in first out within a band; what it can't run is parked by task key; suspects go out alone.
--
-- An entry whose cell is not ready any more, or is of an earlier
-- generation, is passed over.

local canRunCache = {}
local function canRun(worker, task)
  if not task then return true end
  local known = canRunCache[task]
  if known == nil then
    known = redis.call('SISMEMBER', prefix .. 'wt:' .. worker, task) == 1
    canRunCache[task] = known
  end
  return known
end

-- The next entries of a list: those that stand there, then those this call appends; and how many stand there.
local function peek(list, count)
  local from = trims[list] or 0
  local entries = redis.call('LRANGE', list, from, from + count - 1)
  local standing = #entries
  local appended = pushes[list]
  if appended then
    for i = (appended.taken or 0) + 1, math.min(#appended, (appended.taken or 0) + count - standing) do entries[#entries + 1] = appended[i] end
  end
  return entries, standing
end

local function take(list, count, standing)
  standing = math.min(count, standing)
  if standing > 0 then trims[list] = (trims[list] or 0) + standing end
  if count > standing then pushes[list].taken = (pushes[list].taken or 0) + count - standing end
end

-- What an entry says beside its cell; mostly the same for all.
local histories = {}

local function parse(entry)
  local id, address, history = string.match(entry, '^([^\t]*)\t([^\t]*)\t(.*)$')
  local known = histories[history]
  if not known then
    known = { string.match(history, '^(%d+)\t(%d+)\t(%d+)\t([01])\t?(%d*)$') }
    histories[history] = known
  end
  local tries, lost, generation, since = known[1], known[2], known[3], known[5]
  local run
  if known[4] == '1' then run = loadRunWith(id, address, 'i') else run = loadRunWith(id, address) end
  if not run or run.state ~= 'R' or run.generation ~= generation or not isActive(get(run, address)) then return nil end
  local frame, node = split(address)
  local program = programOf(run.hash, node)
  if isClosedFor(run, program) then return nil end
  return { run = run, address = address, frame = frame, program = program, tries = tries, lost = lost, since = tonumber(since) }
end

-- An element, also when it came with this very call and is not written yet.
local function elementOf(key, index)
  for i = #stages - 1, 1, -2 do
    if stages[i] == key then
      local staged = stages[i + 1]
      if type(staged) == 'table' then return staged[index + 1] end
      return redis.call('HGET', staged, index)
    end
  end
  return redis.call('HGET', key, index)
end

-- The elements of the instances around a cell, outermost first.
local function itemsOf(run, frame)
  if frame == '' then return NONE end
  local items = {}
  while frame ~= '' do
    local outer, collect, index = around(frame)
    table.insert(items, 1, elementOf(prefix .. 'f:' .. run.id .. ':' .. outer .. collect, index))
    frame = outer
  end
  return items
end

-- Ends the input needs, as address, end, address, end, ...; values longer than 4 KiB and lists without a bound are left to
-- be read by the worker.
local function endsOf(run, cell)
  local needs = cell.program.m
  if not needs or #needs == 0 then return NONE end
  local addresses = {}
  for i, node in ipairs(needs) do addresses[i] = visible(run, cell.frame, cell.program.b, node) end
  local missing, ends = {}, {}
  for _, address in ipairs(addresses) do
    if run.fields[address] == nil then missing[#missing + 1] = address end
  end
  if #missing > 0 then
    for i, value in ipairs(redis.call('HMGET', prefix .. 'r:' .. run.id, unpack(missing))) do run.fields[missing[i]] = value end
  end
  for _, address in ipairs(addresses) do
    local value = run.fields[address]
    if value and #value <= 4096 then
      ends[#ends + 1] = address
      ends[#ends + 1] = value
      if string.byte(value) == 75 then
        local cause = string.sub(value, 2)
        ends[#ends + 1] = cause
        ends[#ends + 1] = get(run, cause)
      end
    end
  end
  return ends
end

-- `held` gets what the store keeps of it; nothing for one that is out already and handed out again.
local function deliver(held, cell, nonce, worker)
  if held then
    tell('NodeStarted', cell.run, cell.address, tonumber(cell.tries) + 1, worker)
    held[#held + 1] = cell.run.id .. '\t' .. cell.address
    held[#held + 1] = text(now) .. cell.tries .. ',' .. cell.lost .. ',' .. nonce
  end
  return {
    cell.run.id, cell.address, cell.tries, cell.lost, nonce, cell.run.generation, cell.run.hash,
    cell.program.u and get(cell.run, 'i') or 'null', itemsOf(cell.run, cell.frame), endsOf(cell.run, cell)
  }
end

-- A suspect for the worker and its entry; 'wait' when the worker has to finish what it holds first; or nil.
local function suspectFor(worker, queues, isHolding, lease)
  for _, queue in ipairs(queues) do
    if flag('s:' .. queue) == '1' then
      local list = prefix .. 's:' .. queue
      local entries = redis.call('LRANGE', list, 0, 19)
      -- What this very call gives back is not written yet.
      for _, entry in ipairs(pushes[list] or NONE) do entries[#entries + 1] = entry end
      if #entries == 0 then setFlag('s:' .. queue, '0') end
      for _, entry in ipairs(entries) do
        local cell = parse(entry)
        if not cell then
          redis.call('LREM', list, 1, entry)
        elseif canRun(worker, cell.program.t) then
          local isPatient = now - cell.since < lease
          local reservedBy = redis.call('HGET', prefix .. 'reserved', entry)
          local isReserved = reservedBy and reservedBy ~= worker and redis.call('ZSCORE', prefix .. 'ws', reservedBy)
          if not (isReserved and isPatient) then
            if isPatient and isHolding() then return 'wait', entry end
            return cell, entry
          end
        end
      end
    end
  end
  return nil
end

local function park(queued, cell)
  local queue, task = cell.program.w, cell.program.t
  local list = prefix .. 'k:' .. queue .. ':' .. cell.program.y .. ':' .. task
  pushes[list] = pushes[list] or {}
  table.insert(pushes[list], queued)
  -- In the order in which they were first parked; the clock would have ties.
  local tasks = prefix .. 'kt:' .. queue
  redis.call('ZADD', tasks, 'NX', redis.call('ZCARD', tasks), task)
  setFlag('k:' .. queue, '1')
end

local function claim(worker, queues, max, base, isHolding, lease)
  local held, deliveries = {}, {}
  putFirst()
  local suspect, entry = suspectFor(worker, queues, isHolding, lease)
  if suspect == 'wait' then return deliveries, held, { reserve = entry } end
  if suspect then
    deliveries[1] = deliver(held, suspect, base .. '.0', worker)
    return deliveries, held, { alone = base .. '.0', entry = entry, list = prefix .. 's:' .. suspect.program.w }
  end
  local looked = 0
  local function drain(list)
    while #deliveries < max and looked < max + 200 do
      local entries, standing = peek(list, max - #deliveries)
      if #entries == 0 then return end
      for _, queued in ipairs(entries) do
        looked = looked + 1
        local cell = parse(queued)
        if cell then
          if canRun(worker, cell.program.t) then
            deliveries[#deliveries + 1] = deliver(held, cell, base .. '.' .. text(#deliveries), worker)
          else
            park(queued, cell)
          end
        end
      end
      take(list, #entries, standing)
    end
  end
  for band = 0, 9 do
    for _, queue in ipairs(queues) do
      if string.find(flag('b:' .. queue) or '', band, 1, true) then
        if flag('k:' .. queue) == '1' then
          for _, task in ipairs(redis.call('ZRANGE', prefix .. 'kt:' .. queue, 0, -1)) do
            if canRun(worker, task) then drain(prefix .. 'k:' .. queue .. ':' .. band .. ':' .. task) end
          end
        end
        drain(prefix .. 'q:' .. queue .. ':' .. band)
      end
    end
    if #deliveries >= max then break end
  end
  return deliveries, held, { more = #deliveries < max and looked >= max + 200 }
end
