-- save.lua: writes what a transition has changed. Nothing here may fail half-way: all is checked before.

local save, closingRuns

do -- Lua knows 200 names at once; those of this file are its own.

local function saveJoin(join)
  return text[join.pending] .. (join.dead and ',2,' or join.gated and ',1,' or ',0,') .. text[join.from] .. ',' .. text[join.voids] .. ',' ..
    text[join.cancels] .. ',' .. (join.death or '-') .. ',' .. text[join.deathEdge]
end

local function saveJoins(run)
  for address, join in pairs(run.joins) do
    if join.dirty and not join.over then
      put(run, 'j' .. address, saveJoin(join))
    elseif join.dirty and join.stored then
      remove(run, 'j' .. address)
    end
  end
end

local function saveExpansions(run)
  for address, expansion in pairs(run.expansions) do
    if expansion and expansion.dirty then
      put(run, 'e' .. address, text[expansion.total] .. ',' .. text[expansion.released] .. ',' .. text[expansion.ended] ..
        (expansion.dropped and ',1' or ',0'))
    end
  end
end

local function saveRun(run)
  if run.joins then saveJoins(run) end
  if run.expansions then saveExpansions(run) end
  local rest = run.work and nextWork(run) ~= nil
  if run.isPacked then
    if isPackable(run, rest) then return pack(run) end
    moveOut(run)
  end
  if rest then put(run, 'x', addWork(run)) end
  local key, set = run.key, run.set or NONE
  local m = run.state .. run.closing .. run.decided .. run.onFailure .. (rest and 'D' or '-') ..
    run.generation .. ',' .. text[run.open] .. ',' .. run.hash .. (run.endedAt and ',' .. run.endedAt or '')
  -- In one, as far as Lua can.
  if #set <= 7000 then
    call('HSET', key, 'm', m, unpack(set))
  else
    callWith('HSET', key, set)
    call('HSET', key, 'm', m)
  end
  if run.del then
    local gone = {}
    for _, field in ipairs(run.del) do
      if not run.fields[field] then gone[#gone + 1] = field end
    end
    callWith('HDEL', key, gone)
  end
  if run.wasDeferred then trimWork(run, rest) end
  if rest and not run.wasDeferred then
    call('SADD', prefix .. 'x', run.id)
    setFlag('x', '1')
    -- Who sweeps looks at timers often, and at what is deferred seldom.
    timers[#timers + 1] = now
    timers[#timers + 1] = 'deferred'
  elseif run.wasDeferred and not rest then
    call('SREM', prefix .. 'x', run.id)
  end
end

local function savePacked()
  for bucket, entries in pairs(packs) do callOver('HSET', prefix .. 'b:' .. bucket, entries) end
  for bucket, fields in pairs(drops) do callOver('HDEL', prefix .. 'b:' .. bucket, fields) end
end

local function addWoken(queue, count)
  if count > 0 then woken[queue] = (woken[queue] or 0) + count end
end

local function saveQueues()
  for _, suspect in ipairs(unsuspected) do call('LREM', suspect.list, 1, suspect.entry) end
  for list, count in pairs(trims) do call('LTRIM', list, text[count], '-1') end
  for list, entries in pairs(fronts) do
    local first = (entries.taken or 0) + 1
    addWoken(entries.queue, #entries - first + 1)
    for i = #entries, first, -1 do call('LPUSH', list, entries[i]) end
  end
  for list, entries in pairs(pushes) do
    local first = (entries.taken or 0) + 1
    if entries.queue then addWoken(entries.queue, #entries - first + 1) end
    for i = first, #entries, 1000 do call('RPUSH', list, unpack(entries, i, min(i + 999, #entries))) end
  end
  for _, one in ipairs(parked) do
    if one.isOver then call('ZREM', one.tasks, one.task) else call('ZADD', one.tasks, 0, one.task) end
  end
end

-- The runs that began to close in this call and go on: somebody may hold something of them that is to stop.
closingRuns = function()
  local ids = {}
  for _, run in ipairs(closing) do
    if run.state == 'R' then ids[#ids + 1] = run.id end
  end
  return ids
end

-- Workers that wait for something in a queue, one more than there is to be had: one of them may have died. They wait no longer.
-- Who is busy with another partition still waits here, and passes it on.
local function pickWaiting(queue, count)
  local key = prefix .. 'i:' .. queue
  local workers = redis.pcall('SPOP', key, min(count + 1, 1000))
  if not workers.err then return workers end
  if isOfType(workers) then call('UNLINK', key) end
  return NONE
end

-- Workers for which there is something, and after a line break the runs of which something is to stop. Nobody else is told: who
-- has more to do than slots asks by itself.
local function wake()
  local workers, closed = {}, closingRuns()
  for queue, count in pairs(woken) do
    for _, worker in ipairs(pickWaiting(queue, count)) do workers[#workers + 1] = worker end
  end
  if not workers[1] and not closed[1] then return end
  local message = concat(workers, '\t')
  if closed[1] then message = message .. '\n' .. concat(closed, '\t') end
  call('PUBLISH', prefix .. 'wake', message)
end

local function saveStages()
  for i = 1, #stages, 2 do
    local key, elements = stages[i], stages[i + 1]
    if type(elements) == 'string' then
      call('RENAME', elements, key)
    else
      local set = {}
      for index, element in ipairs(elements) do
        set[#set + 1] = index - 1
        set[#set + 1] = element
      end
      callOver('HSET', key, set)
    end
  end
end

local function saveEnded()
  for state, over in pairs(ended) do
    callWith('RPUSH', prefix .. 'done:' .. state, over.entries)
    call('PUBLISH', prefix .. 'ended', concat(over.said, '\t'))
  end
end

save = function()
  for _, run in ipairs(touched) do
    if run.work then
      atWork = run.id
      nextWork(run)
    end
  end
  isWriting = true
  -- In this order, so that a store that carries out half of it knows of all that it says of runs.
  saveStages()
  for _, run in ipairs(touched) do saveRun(run) end
  savePacked()
  saveQueues()
  if #unused > 0 then call('UNLINK', unpack(unused)) end
  callWith('ZADD', prefix .. 't', timers)
  saveEnded()
  if #events > 0 then call('PUBLISH', prefix .. 'events', cjson.encode(events)) end
  wake()
  local changes = {}
  for name, value in pairs(newFlags) do
    changes[#changes + 1] = name
    changes[#changes + 1] = value
  end
  callWith('HSET', prefix .. 'flags', changes)
end

end
