-- settle: records what became of attempts, moves on what they allow, and claims what is next.
--
-- KEYS[1] prefix of the partition
-- ARGV[1] worker  [2] base of this call's nonces, 16 characters  [3] how many to claim  [4] lease, ms
--     [5] a random number from 0 to 1  [6] edges at most  [7] closing runs of which to tell it what to interrupt, with tabs between
--     [8] number of queues  [9...] the queues
--     then four arguments per report: run \t address; tries,nonce, (the fence); tag; payload
--       S, elements as JSON [[fork, collect, [payload, ...] or name of a staged hash, count], ...] or nothing; value
--       F, declared 0/1, retryable 0/1, retry after in ms or nothing, |, tag; error
--       L, limit (a value that was not sent because it is too long); length
--       I (interrupted); ''
-- Reply { receipts as a string of R (recorded), A (already), S (stale), deliveries, nonces to interrupt, known 0/1,
--   1 when the claim has looked at as much as a call may, found too little, and there is more,
--   ms until the first timer is due that this has set, or where it found too little anybody has, or -1,
--   the fence of these deliveries or 0 }
--   A delivery is a head; its input or ''; and where it has elements of instances around it, or needs ends, an array: how many
--   elements, these, and address, end, ...
--     head: run \t address \t number \t tries,lost,generation \t plan; its nonce is base.number. Where it is the first attempt, the
--     plan that of the delivery before it, and the number the next: run \t address
-- A call sent again (same base) records nothing new and hands out the same deliveries.
-- Cost: about 8 commands; 3 per bucket; of other runs 2 per settled one and 1 per claimed one; 1 more for a join or for ends
--   where the run is of another plan than the one before it.

-- Keeps the elements a report brings for the forks it decides; the error of a report that lacks some.
local function stage(run, address, program, elements)
  local frame = split(address)
  local brought = elements == '' and NONE or cjson.decode(elements)
  for _, fork in ipairs(program.d) do
    local own
    for _, pair in ipairs(brought) do
      if pair[1] == fork[1] then own = pair end
    end
    if not own then
      return cjson.encode({ _tag = 'PayloadMismatch', where = 'output', task = program.t or 'decide', issue = 'the report has no elements for node ' .. fork[1] })
    end
    put(run, 'n' .. frame .. fork[1], own[4])
    stages[#stages + 1] = prefix .. 'f:' .. run.id .. ':' .. frame .. fork[2]
    stages[#stages + 1] = own[3]
  end
  return nil
end

-- The run of the report at this place, with the cells of those that follow and are of it too.
local function loadReported(ids, addresses, at)
  local id, address = ids[at], addresses[at]
  local packed = address == '0' and raw[id] ~= nil and findPacked(id)
  if packed then return packed end
  local last, most = at, at + 199
  while last < most and ids[last + 1] == id do last = last + 1 end
  local key, fields = prefix .. 'r:' .. id, {}
  local program = usual and usual.nodes[place[address].node]
  local target = program and program.target
  local names = target and { 'm', target, program.join, unpack(addresses, at, last) } or { 'm', unpack(addresses, at, last) }
  local values = call('HMGET', key, unpack(names))
  if not values[1] then return absent(id) end
  for i = 2, #names do fields[names[i]] = values[i] end
  return makeRun(id, key, values[1], fields)
end

-- Milliseconds to the next attempt; nil when this was the last.
local function retryDelay(run, program, tries, tag, retryable, after, random)
  local policy = program.x
  if not policy or not retryable or tries >= policy.attempts or isClosedFor(run, program) then return nil end
  for _, except in ipairs(policy.except) do
    if except == tag then return nil end
  end
  if after then return after end
  local delay = min(policy.max, policy.backoff == 'fixed' and policy.base or policy.base * 2 ^ (tries - 1))
  return policy.jitter and math.floor(delay * random + 0.5) or delay
end

-- The end of an attempt that did not simply succeed.
local function conclude(run, address, program, held, said, payload, random)
  local tries = held.tries + 1
  local took = max(0, now - held.claimedAt)
  local ms = text[took]
  if held.tries > 0 then
    local _, before = historyOf(get(run, address))
    took = took + before
    ms = text[took] .. 'x' .. text[tries]
    remove(run, 'l' .. address)
  end
  local mark = markOf(held.nonce)
  local function fail(declared, tag, error)
    endCell(run, address, program, 'F' .. text[tries] .. '|' .. ms .. '|' .. mark .. '|' .. declared .. '|' .. tag .. '\n' .. error)
  end
  local kind = byte(said)
  if kind == 83 then -- S
    local missing = program.d and stage(run, address, program, sub(said, 2))
    if missing then return fail('0', 'PayloadMismatch', missing) end
    local count = program.k == 'D' and (tonumber(get(run, 'n' .. address)) or 0) or 0
    endCell(run, address, program, 'S' .. text[count] .. '|' .. ms .. '|' .. mark .. '|' .. payload)
  elseif kind == 70 then -- F
    local declared, retryable, after, tag = match(said, '^F([01])([01])(%d*)|(.*)$')
    local delay = retryDelay(run, program, tries, tag, retryable == '1', tonumber(after), random)
    if not delay then return fail(declared, tag, payload) end
    put(run, 'l' .. address, declared .. '|' .. tag .. '\n' .. payload)
    schedule(run, address, now + delay, tries, mark, took)
    tell('NodeRetrying', run, address, tries, now + delay, tag, declared, payload)
  elseif kind == 76 then -- L
    fail('0', 'PayloadMismatch', cjson.encode({
      _tag = 'PayloadMismatch', where = 'output', task = program.t or 'decide',
      issue = 'it has ' .. payload .. ' characters, the limit is ' .. sub(said, 2) .. '; store it elsewhere and return a reference'
    }))
  else
    endCell(run, address, program, 'X' .. mark)
  end
end

-- The runs and the cells that reports speak of, from `first` on; what of the runs is in buckets is read.
local function readReported(argv, first)
  local ids, addresses, count = {}, {}, 0
  for i = first, #argv, 4 do
    local field = argv[i]
    local tab = find(field, '\t', 1, true)
    count = count + 1
    ids[count], addresses[count] = sub(field, 1, tab - 1), sub(field, tab + 1)
  end
  reported = reported + count
  loadPacked(ids, addresses)
  return ids, addresses
end

-- What is handed out now comes after all that was handed out before: by the clock, in microseconds, and as long as the server
-- runs also where that is set back. Nothing is written, so no loss makes it forget.
local issued = 0
local function nextFence()
  issued = max(now * 1000, issued + 1)
  return issued
end

-- The first that this call has set; for who has nothing to do, the first of all.
local function firstTimer(ofAll)
  local first
  if ofAll then first = tonumber(redis.pcall('ZRANGE', prefix .. 't', 0, 0, 'WITHSCORES')[2]) end
  for i = 1, #timers, 2 do
    if timers[i + 1] ~= 'deferred' then first = min(first or timers[i], timers[i]) end
  end
  return first and max(0, first - now) or -1
end

-- The nonces of what a worker holds of these runs, if they are closing, and goes on holding after this call.
local function interruptsOf(holder, ids)
  local isAmong, isGone, fields, nonces = {}, {}, {}, {}
  for _, id in ipairs(ids) do isAmong[id] = true end
  for _, field in ipairs(holder.gone) do isGone[field] = true end
  for _, field in ipairs(callShared('HKEYS', holder.key)) do
    local tab = find(field, '\t', 1, true)
    if tab and isAmong[sub(field, 1, tab - 1)] and not isGone[field] then fields[#fields + 1] = field end
  end
  for from = 1, #fields, 1000 do
    local last = min(from + 999, #fields)
    for i, value in ipairs(callShared('HMGET', holder.key, unpack(fields, from, last))) do
      local held = parseHeld(value)
      held.field = fields[from + i - 1]
      local run, _, program = cellOf(held)
      if run and isClosedFor(run, program) then nonces[#nonces + 1] = held.nonce end
    end
  end
  return nonces
end

-- The deliveries of an earlier call with this base that are still out.
local function redeliver(holder, reply)
  local all = allHeld(holder)
  for i = #all, 1, -1 do
    local held = all[i]
    local number = match(held.nonce, '%.(%d+)$')
    if number and held.nonce == holder.base .. '.' .. number then
      local run, address, program = cellOf(held)
      if run and isActive(get(run, address)) then
        local history = text[held.tries] .. ',' .. text[held.lost] .. ',' .. run.generation
        describe(holder, reply, run, held.field, address, program, history, number)
      end
    end
  end
end

export('settle', function(argv)
  local base, wanted, lease = argv[2], numberOf(argv[3]), numberOf(argv[4])
  local random, budget = numberOf(argv[5]), numberOf(argv[6])
  local queues, names = {}, { 'watched', 'x' }
  for i = 1, numberOf(argv[8]) do
    local queue = argv[8 + i]
    queues[i] = queue
    names[i * 3] = 's:' .. queue
    names[i * 3 + 1] = 'k:' .. queue
    names[i * 3 + 2] = 'b:' .. queue
  end
  local first = 9 + #queues

  loadFlags(names)
  local holder = loadHolder(argv[1], argv, first)
  holder.base = base
  local known, held = holder.known, holder.held

  local ids, addresses = readReported(argv, first)
  local receipts = {}
  local tooks = {} -- of the deliveries of one claim all the same
  closingLate = {}
  for position = 1, #ids do
    local i, id, address = first + position * 4 - 4, ids[position], addresses[position]
    local field, fence, said = argv[i], argv[i + 1], argv[i + 2]
    local value = held[field]
    local isHis = known and value and find(value, fence, 14, true) == 14
    -- What nearly every report is: the value of a first attempt.
    local success
    if isHis and said == 'S' and byte(fence) == 48 and not holder.alone then -- 0
      local claimedAt = sub(value, 1, 13)
      local took = tooks[claimedAt]
      if not took then
        took = text[max(0, now - claimedAt)]
        tooks[claimedAt] = took
      end
      success = 'S0|' .. took .. '|' .. sub(fence, 13, -2) .. '|' .. argv[i + 3]
    end
    atWork = id
    if success and address == '0' and succeedPacked(id, success) then
      receipts[position] = 'R'
      forget(holder, field)
    else
      local run = runs[id]
      if run == nil then run = loadReported(ids, addresses, position) end
      local cell = run and run.fields[address]
      if run and cell == nil then cell = get(run, address) end
      -- A node that has ended is held only after the store has carried out something by half.
      local isRunning = cell == 'r' or isActive(cell)
      -- A report whose elements are gone was not made: the delivery stays with the worker, whose next renewal gives it back.
      local isGone = said ~= 'S' and byte(said) == 83 and not areStaged(cjson.decode(sub(said, 2)))
      if isHis and isRunning and not isGone then
        receipts[position] = 'R'
        local node = place[address].node
        local program = run.plan.nodes[node] or programOf(run, node)
        if success and program.k == 'T' and not program.d then
          forget(holder, field)
          budget = succeed(run, address, program, success, budget)
        else
          local delivery = parseHeld(value)
          if said == 'I' and not isClosedFor(run, program) then
            giveBack(holder, run, address, program, delivery)
            holder.isGivingBack = true
          else
            letGo(holder, field, delivery.nonce)
            conclude(run, address, program, delivery, said, argv[i + 3], (random + position * 0.618034) % 1)
          end
          if run.work then budget = advance(run, budget) end
        end
      else
        local nonce = match(fence, '^%d+,(.*),$')
        receipts[position] = run and wasRecorded(run, address, nonce) and 'A' or 'S'
        if value and not isRunning then letGo(holder, field, parseHeld(value).nonce) end
      end
    end
  end

  -- Of a run that closes, what this very call reports may have been the rest.
  local late = closingLate
  closingLate = nil
  for _, run in ipairs(late) do
    if run.state == 'R' then
      defer(run, 'close|0')
      budget = advance(run, budget)
    end
  end

  -- What earlier calls deferred, of whoever.
  if budget > 0 and flag('x') == '1' then
    local deferred = callShared('SRANDMEMBER', prefix .. 'x', 4)
    if #deferred == 0 then setFlag('x', '0') end
    for _, id in ipairs(deferred) do
      local run = loadRun(id)
      if run then budget = advance(run, budget) end
    end
  end

  local deliveries, more = {}, false
  if known and holder.sequence and find(holder.sequence, base, 1, true) then
    redeliver(holder, deliveries)
  elseif known and wanted > 0 and not holder.alone then
    more = claim(holder, deliveries, queues, wanted, lease)
  end

  local closed = closingRuns()
  for id in string.gmatch(argv[7], '[^\t]+') do closed[#closed + 1] = id end
  local interrupts = closed[1] and interruptsOf(holder, closed) or NONE
  -- Who asks for nothing goes on as it was: another call of it may be on its way.
  local isAsking = known and wanted > 0
  local isServed = holder.count == wanted or holder.alone or holder.suspect or holder.reserve
  local fence = deliveries[1] and nextFence() or 0
  -- What it gives back is for others.
  if isAsking and isServed or holder.isGivingBack then stopWaiting(argv[1], queues) end
  save()
  saveHolder(holder)
  if isAsking and not isServed then startWaiting(argv[1], queues) end
  return { concat(receipts), deliveries, interrupts, known and 1 or 0, more and 1 or 0, firstTimer(isAsking and not isServed), fence }
end, { 'allow-oom' })
