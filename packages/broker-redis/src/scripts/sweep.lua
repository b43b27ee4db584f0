-- sweep: one bounded round of what needs a clock: deferred work, due timers, workers whose lease ran out, retention, what
-- was staged and never used. Idempotent; any number may sweep at once.
--
-- KEYS[1] prefix of the partition
-- ARGV[1] edges at most  [2] largest number of lost deliveries  [3] retention, ms  [4] ended runs kept per state  [5] age of abandoned stages, ms
--     [6] lease, ms  [7] without a sweep for longer than this, ms, leases are extended before they count
-- Reply { timers fired, workers dismissed, runs removed, 1 when there is more to do, ms the oldest timer was late,
--   runs that are damaged, the time here, when the first lease ends or '' }
-- Cost: 12 commands, 2 more where runs have ended, a few per thing done; at most 100 timers, 100 runs and 100 of what a worker
--   holds.

-- What is taken back from a silent worker by one call.
local mostHeld = 100

-- Of an ended run whose plan is lost the rest is removed all the same.
local function bodiesIfAny(run)
  local isPlanned, bodies = pcall(bodiesOf, run)
  return isPlanned and bodies or NONE
end

-- What has to be known of an ended run in a bucket; no more is made of those that go by the thousand.
local function endedPacked(id)
  local state, hash, endedAt = match(raw[id] or '', '^([SFX])...([^,]*),%d+,(%w+)\n')
  return state and { isPacked = true, state = state, generation = '1', hash = hash, endedAt = endedAt }
end

-- What an entry of a list of ended runs is of, and the run where it says how that has ended last.
local function endedOf(entry)
  local id, generation = match(entry, '^([^\t]*)\t?(%d*)$')
  local run = id and (endedPacked(id) or loadRun(id))
  local isCurrent = run and run.state ~= 'R' and run.generation == (generation == '' and '1' or generation)
  return id, isCurrent and run
end

local function isYoung(run, age) return now - tonumber(run.endedAt or '0', 36) < age end

local function entriesOf(list, count)
  local entries, ids = callShared('LRANGE', list, 0, count - 1), {}
  for i = 1, #entries do ids[i] = match(entries[i], '^[^\t]*') end
  loadPacked(ids)
  return entries
end

-- The first of a list of ended runs, as far as one of them may go: mostly the very first says that none may.
local function oldest(list, excess, age)
  if excess <= 0 then
    local first = entriesOf(list, 1)
    local _, run = endedOf(first[1])
    if run and isYoung(run, age) then return NONE end
  end
  return entriesOf(list, 100)
end

-- The list of all runs, kept and then runs, when these are gone: how many leave the head of runs, and which of them are still
-- there and go over to kept. Mostly those that are gone stand at the head together, the oldest. What stands further back stays
-- until that is more than half of all; then some are looked at per call, which costs the same however long the list is.
-- The flag says how many stand further back, and how many of them are gone since kept was begun: what is left of them when
-- all has been looked at.
local most = 300
local function leavers(ids)
  local isGone = {}
  for _, id in ipairs(ids) do isGone[id] = true end
  local behind, since = match(flag('gone') or '', '^(%d+) (%d+)$')
  behind, since = tonumber(behind or 0), tonumber(since or 0)
  if behind >= 1000 then
    local ofKept = callShared('LLEN', prefix .. 'kept')
    if behind * 2 > ofKept + callShared('LLEN', prefix .. 'runs') then
      local leaving, there = callShared('LRANGE', prefix .. 'runs', 0, most - 1), {}
      loadPacked(leaving)
      for _, id in ipairs(leaving) do
        if not isGone[id] and (raw[id] or call('EXISTS', prefix .. 'r:' .. id) == 1) then there[#there + 1] = id end
      end
      since = (ofKept == 0 and 0 or since) + #ids
      behind = #leaving < most and since or max(0, behind + #ids - #leaving + #there)
      setFlag('gone', behind .. ' ' .. since)
      return #leaving, there
    end
  end
  local count = 0
  if #ids > 0 then
    for _, id in ipairs(callShared('LRANGE', prefix .. 'runs', 0, #ids - 1)) do
      if not isGone[id] then break end
      count = count + 1
    end
    local further = #ids - count
    if further > 0 then setFlag('gone', behind + further .. ' ' .. since + further) end
  end
  return count
end

local function leave(count, there)
  if there then callWith('RPUSH', prefix .. 'kept', there) end
  if count > 0 then call('LTRIM', prefix .. 'runs', count, -1) end
  if there and count < most and call('EXISTS', prefix .. 'kept') == 1 then call('RENAME', prefix .. 'kept', prefix .. 'runs') end
end

export('sweep', function(argv)
  local budget, maxLost, age, kept = numberOf(argv[1]), numberOf(argv[2]), numberOf(argv[3]), numberOf(argv[4])
  local stagingAge, lease, outage = numberOf(argv[5]), numberOf(argv[6]), numberOf(argv[7])
  local more = 0
  loadFlags({ 'watched', 'swept', 'gone' })

  local idle = {} -- no longer with deferred work
  for _, id in ipairs(callShared('SRANDMEMBER', prefix .. 'x', 20)) do
    local run = loadRun(id)
    if run and run.state == 'R' then
      if budget > 0 then budget = advance(run, budget) end
      if nextWork(run) then more = 1 end
    else
      idle[#idle + 1] = id
    end
  end

  local fired, late, calls = {}, 0, 0
  if budget > 0 then
    fired = callShared('ZRANGE', prefix .. 't', '-inf', now, 'BYSCORE', 'LIMIT', 0, 100)
    if #fired == 100 then more = 1 end
    if #fired > 0 then late = now - tonumber(callShared('ZSCORE', prefix .. 't', fired[1])) end
    for _, timer in ipairs(fired) do
      -- `said` is the number of tries of what is scheduled, and when it expires of what is ready.
      local kind, id, address, said, generation = match(timer, '^%d*(%a)\t([^\t]*)\t?([^\t]*)\t?(%d*)\t?(%d*)$')
      local run = id and loadRun(id)
      if timer == 'deferred' then calls = 1 end
      if run and run.state == 'R' then
        if kind == 'r' then
          if get(run, 'w') then
            remove(run, 'w')
            defer(run, 'start|0')
          end
        elseif run.generation == generation then
          local value = get(run, address)
          if value then checkCell(address, value) end
          local _, node = split(address)
          local program = programOf(run, node)
          if kind == 's' and value and match(value, '^s%d+|(%d+)|') == said then
            local _, ms = historyOf(value)
            push(run, address, program, tonumber(said), ms)
          elseif kind == 'x' and isActive(value) and match(value, ',(%d+)$') == said and not isHeld(run, address) then
            -- The attempt that nobody began has failed: what is shown counts it.
            local tried, ms = historyOf(value)
            endCell(run, address, program, 'F' .. text[tried + 1] .. '|' .. text[ms] .. '||0|Expired\n{"_tag":"Expired","after":' .. program.x.expires .. '}')
          end
        end
        budget = advance(run, budget)
      end
    end
  end

  -- When nobody swept for long, the store or the way to it was away, and workers could not renew: no fault of theirs. Leases
  -- that ran out meanwhile, or will before they can, are extended once: half a millisecond marks such a lease, so that the
  -- next silence counts, however rarely somebody sweeps.
  local lastSweep = tonumber(flag('swept') or nowText)
  setFlag('swept', nowText)
  local excused = {}
  if now - lastSweep > outage then
    local leases = callShared('ZRANGE', prefix .. 'ws', '-inf', now + lease / 2, 'BYSCORE', 'WITHSCORES')
    for i = 1, #leases, 2 do
      if tonumber(leases[i + 1]) % 1 == 0 then
        excused[#excused + 1] = now + lease + 0.5
        excused[#excused + 1] = leases[i]
      end
    end
  end

  local leases = callShared('ZRANGE', prefix .. 'ws', 0, 0, 'WITHSCORES')
  local leaseEnd = leases[2] or ''
  local silent = #excused == 0 and leases[1] and tonumber(leaseEnd) <= now and { leases[1] } or NONE
  local robbed, dismissed -- of what it held some, or the last
  for _, worker in ipairs(silent) do
    local holder = makeHolder(worker, prefix .. 'w:' .. worker)
    holder.alone = callShared('HGET', holder.key, '#alone')
    leaveQueues(worker)
    local some = someHeld(holder, mostHeld)
    for _, held in ipairs(some) do
      local run, address, program = cellOf(held)
      if run then
        lose(holder, run, address, program, held, maxLost)
        budget = advance(run, budget)
      else
        letGo(holder, held.field, held.nonce)
      end
    end
    if #some == mostHeld then robbed = holder else dismissed = holder end
    more = 1
  end

  local removed = 0
  local gone, forgotten, unplanned = {}, {}, {}
  local fields = 0 -- of the runs to remove: what says how long that takes
  for _, state in ipairs({ 'S', 'F', 'X' }) do
    local list = prefix .. 'done:' .. state
    local count = callShared('LLEN', list)
    local excess = count - kept
    for _, entry in ipairs(count > 0 and oldest(list, excess, age) or NONE) do
      local id, run = endedOf(entry)
      if run and excess <= 0 and isYoung(run, age) then break end
      if fields > 10000 then
        more = 1
        break
      end
      excess = excess - 1
      trims[list] = (trims[list] or 0) + 1
      if run then
        if run.isPacked then
          dropPacked(id)
          raw[id] = false
        end
        gone[#gone + 1] = prefix .. 'r:' .. id
        forgotten[#forgotten + 1] = id
        unplanned[run.hash] = (unplanned[run.hash] or 0) + 1
        removed = removed + 1
        local names = run.isPacked and NONE or call('HKEYS', prefix .. 'r:' .. id)
        fields = fields + #names
        for _, field in ipairs(names) do
          -- n: a fork that was decided, also where a retry has discarded what it made.
          if byte(field) == 110 then
            local frame, fork = split(sub(field, 2))
            for _, body in ipairs(bodiesIfAny(run)) do
              if body.fork == fork then gone[#gone + 1] = prefix .. 'f:' .. id .. ':' .. frame .. text[body.collect] end
            end
          end
        end
      end
    end
  end
  if removed >= 100 then more = 1 end

  local abandoned = callShared('ZRANGE', prefix .. 'g', '-inf', now - stagingAge, 'BYSCORE', 'LIMIT', 0, 100)
  for _, name in ipairs(abandoned) do
    -- Plans that have runs are in use.
    if tonumber(callShared('HGET', name, 'uses') or 0) <= 0 then gone[#gone + 1] = name end
  end

  local leaving, there = leavers(forgotten)
  save()
  if #idle > 0 then call('SREM', prefix .. 'x', unpack(idle)) end
  if #fired > 0 then call('ZREM', prefix .. 't', unpack(fired)) end
  for i = 1, #excused, 1000 do call('ZADD', prefix .. 'ws', 'XX', unpack(excused, i, min(i + 999, #excused))) end
  if robbed then saveHolder(robbed) end
  if dismissed then
    call('ZREM', prefix .. 'ws', dismissed.worker)
    call('HDEL', prefix .. 'wi', dismissed.worker)
    call('DEL', dismissed.key)
  end
  if #abandoned > 0 then call('ZREM', prefix .. 'g', unpack(abandoned)) end
  leave(leaving, there)
  for hash, count in pairs(unplanned) do
    -- A plan whose uses nobody can count stays.
    local uses = redis.pcall('HINCRBY', prefix .. 'p:' .. hash, 'uses', -count)
    if type(uses) == 'number' and uses <= 0 then gone[#gone + 1] = prefix .. 'p:' .. hash end
  end
  for i = 1, #gone, 1000 do call('UNLINK', unpack(gone, i, min(i + 999, #gone))) end
  return { #fired - calls, dismissed and 1 or 0, removed, more, late, call('HLEN', prefix .. 'damaged'), nowText, leaseEnd }
end, { 'allow-oom' })
