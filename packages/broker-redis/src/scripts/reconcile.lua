-- What ought to move on and stands nowhere is found, and put back. No transition leaves such a thing behind; a
-- store that carried one out by half does (see docs/redis.md), and so does somebody who deletes a queue.
--
-- dueReconcile: whether it is time for that: once after each start of the store, every so often, and when somebody has begun
-- and not said for long that it is done.
--
-- KEYS[1] prefix of the partition
-- ARGV[1] every so often, ms  [2] how long one may take, ms
-- Reply: the start of the server, for `reconciled`, to whom it falls; '' when it is not time. Cost: 4 commands.
--
-- reconciled: says that it is done.
--
-- ARGV[1] the start at which it began: it counts for no later one
-- Reply 'ok'. Cost: 2 commands.
--
-- survey: what of the runs waits to be handed out or for a timer, or is with a worker, some runs per call.
--
-- ARGV[1] list, runs or then kept  [2] position in it, from its end, so that what leaves its head moves nothing  [3] cursor in the
--     run there  [4] fields to look at
-- Reply { next list, '' after the last; next position; next cursor; run, generation, address, its field, ... }
--   The address is w for a start that is delayed, x for deferred work that nobody knows of.
-- Cost: 2 commands, 1 per bucket, 1 per other run and 1 more per one that goes on.
--
-- restore: puts back what was seen by `survey` and in no queue, with no timer and with no worker, where it is as it was.
--
-- ARGV[1] edges at most  [2...] run, generation, address, its field
-- Reply: how many were put back. Cost: 1 command per worker, 4 per node.

-- Runs looked at by one call, however small.
local most = 300

local function note(start, state)
  setFlag('reconciled', nowText .. ' ' .. start .. ' ' .. state)
  save()
end

export('dueReconcile', function(argv)
  local interval, patience = numberOf(argv[1]), numberOf(argv[2])
  local start = match(callShared('INFO', 'server'), 'run_id:(%x+)') or '0'
  local last, lastStart, state = match(flag('reconciled') or '', '^(%d+) (%x+) (%a+)$')
  if last and start == lastStart and now - tonumber(last) < (state == 'done' and interval or patience) then return '' end
  note(start, 'begun')
  return start
end, { 'allow-oom' })

export('reconciled', function(argv)
  note(argv[1], 'done')
  return 'ok'
end, { 'allow-oom' })

export('survey', function(argv)
  local list, position, cursor, fields = argv[1], numberOf(argv[2]), argv[3], numberOf(argv[4])
  local found = {}
  local function pageOf(list) return callShared('LRANGE', prefix .. list, -position - most, -position - 1) end
  local ids = pageOf(list)
  -- There was a kept; a sweep has made it the list of all since.
  if #ids == 0 and list == 'kept' then ids = pageOf('runs') end
  loadPacked(ids)
  for i = #ids, 1, -1 do
    local id = ids[i]
    atWork = id
    local function add(generation, address, value)
      found[#found + 1] = id
      found[#found + 1] = generation
      found[#found + 1] = address
      found[#found + 1] = value
    end
    local key = prefix .. 'r:' .. id
    local m = not raw[id] and runs[id] == nil and call('HGET', key, 'm')
    local standing = m and metaOf[m].__index -- nothing where it is damaged
    if raw[id] then
      local _, packed = parsePacked(raw[id])
      if packed['0'] and not isEnd(packed['0']) then add('1', '0', packed['0']) end
    elseif standing and standing.state == 'R' then
      if cursor == '0' and standing.wasDeferred and call('SISMEMBER', prefix .. 'x', id) == 0 then add(standing.generation, 'x', '') end
      local reply = call('HSCAN', key, cursor, 'COUNT', '500')
      cursor = reply[1]
      for i = 1, #reply[2], 2 do
        local field, value = reply[2][i], reply[2][i + 1]
        if field == 'w' or match(field, '^%d[%d%.]*$') and not isEnd(value) then add(standing.generation, field, value) end
      end
      fields = fields - #reply[2] / 2
      if cursor ~= '0' then return { list, position, cursor, found } end
    end
    cursor = '0'
    position = position + 1
    if fields <= 0 then return { list, position, cursor, found } end
  end
  if #ids == most then return { list, position, '0', found } end
  return { list == 'runs' and call('EXISTS', prefix .. 'kept') == 1 and 'kept' or '', 0, '0', found }
end, { 'allow-oom' })

-- A node that waits in no queue is put in one. If it stands somewhere all the same it is not handed out twice: a delivery more
-- that was lost tells the entries apart. It is not to blame for that, so it does not stand among the suspects.
local function requeue(run, address, program, value)
  local tries, ms, lost = historyOf(value)
  local entries = queueOf[program] or openQueue(program)
  entries[#entries + 1] = entryOf(run, address, program, tries, lost + 1)
  putReady(run, address, program, tries, lost + 1, ms)
end

export('restore', function(argv)
  local budget, restored, deferred = numberOf(argv[1]), 0, {}
  for i = 2, #argv, 4 do
    local run, address, value = loadRun(argv[i]), argv[i + 2], argv[i + 3]
    if run and run.state == 'R' and run.generation == argv[i + 1] then
      if address == 'x' then
        deferred[#deferred + 1] = run.wasDeferred and run.id or nil
      elseif get(run, address) == value then
        local _, node = split(address)
        local program = address ~= 'w' and programOf(run, node)
        if not program then
          timers[#timers + 1] = now
          timers[#timers + 1] = 'r\t' .. run.id
          restored = restored + 1
        elseif byte(value) == 115 then -- s
          local due, tries = match(value, '^s(%d+)|(%d+)|')
          setTimer(run, tonumber(due), 's', address, tries)
          restored = restored + 1
        elseif isActive(value) and not isHeld(run, address) then
          local isClosed = isClosedFor(run, program)
          -- Where that is deferred, it is about to be ended.
          if not (isClosed and run.wasDeferred) then
            if isClosed then endCell(run, address, program, 'X') else requeue(run, address, program, value) end
            budget = advance(run, budget)
            restored = restored + 1
          end
        end
      end
    end
  end
  if deferred[1] then
    setFlag('x', '1')
    timers[#timers + 1] = now
    timers[#timers + 1] = 'deferred'
  end
  save()
  if deferred[1] then call('SADD', prefix .. 'x', unpack(deferred)) end
  return restored + #deferred
end, { 'allow-oom' })
