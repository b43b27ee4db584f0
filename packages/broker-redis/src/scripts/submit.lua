-- submit: accepts runs. Refused as a whole call when memory is full; what was accepted before is not touched.
--
-- KEYS[1] prefix of the partition
-- ARGV[1] edges at most, then per run: id; on failure (C or F), delay in ms, comma, plan; input; elements as JSON [[fork, collect, [payload, ...] or name of a staged hash, count], ...] or ''
-- Reply: per run 'created', 'exists', 'conflict' (the id is taken by another plan or input) or 'unplanned' (no such plan: store it first)
--     or 'unstaged' (elements that were staged are gone: stage them again)
--     or 'damaged' (what is kept of the run, or of its plan, is not as it was written)
-- Cost: 4 commands, 2 per bucket, 1 per run that is in none.

-- The fields of a run that is not in the store yet: none need be asked for.
local unasked = { __index = function() return false end }

-- Whether all of a plan is there: it may have been removed, with the last run that had it, while it was being stored again.
local function isPlanned(hash)
  local key = prefix .. 'p:' .. hash
  local said = call('HMGET', key, 'size', 'uses')
  if tonumber(said[2] or 0) > 0 then return true end
  return said[1] and call('HLEN', key) >= tonumber(said[1]) + (said[2] and 1 or 0)
end

-- What runs with this head have in common, and never changes: `m`, whether a bucket may have them, and how their entry begins
-- there when they are ready at once and there is no more to say of them.
local shapes
local function makeShape(head)
  local onFailure, delay, hash = match(head, '^(.)(%d+),(.*)$')
  local run = { plan = planOf(hash) }
  local body = bodiesOf(run)[1]
  local first = body.starting > 0 and programOf(run, body.starters[1])
  local isPackable = body.count == 1 and first and first.k == 'T' and delay == '0'
  return {
    hash = hash, delay = tonumber(delay), first = first, isPackable = isPackable,
    m = 'R--' .. onFailure .. '-1,' .. body.count .. ',' .. hash, fresh = isPackable and not first.x and 'R--' .. onFailure .. hash .. '\n'
  }
end

-- The shape of runs with this head; `m` is missing where the plan is.
local function shapeOf(head)
  local hash = match(head, '^.%d+,(.*)$')
  if not isPlanned(hash) then return { hash = hash } end
  shapes = shapes or remember(50, makeShape)
  local shape = shapes[head]
  local first = shape.first
  -- What will be asked for, at once. Not twice: by then this call may have set some.
  if first and first.w and flags.watched == nil then loadFlags({ 'watched', 'b:' .. first.w }) end
  return shape
end

-- Adds these numbers of runs, by plan, to what each plan has: it is kept as long as there is one.
local function countRuns(created)
  for hash, count in pairs(created) do
    local key = prefix .. 'p:' .. hash
    -- The first of them: no sweep removes it now for being unused.
    if call('HINCRBY', key, 'uses', count) == count then call('ZREM', prefix .. 'g', key) end
  end
end

-- Whether none of them has a hash of its own, which is asked once for all.
local function areNew(ids)
  local keys = {}
  for i = 1, #ids do keys[i] = prefix .. 'r:' .. ids[i] end
  return #keys > 0 and call('EXISTS', unpack(keys)) == 0
end

-- A timer that is due before everybody who sweeps would have looked for it by himself, in ms: who waits for work is told, and
-- finds it where there was none. The queue is but a guess at who has time.
local soon = 1500
local function hint(queue, due)
  if due and due - now < soon then woken[queue] = woken[queue] or 0 end
end

-- Makes a run, and lets it go; returns what is left of the budget.
local function create(id, shape, input, elements, time, budget)
  local isPacked = shape.isPackable and elements == '' and #input <= mostPacked
  if isPacked and shape.fresh and watched == false then
    local entries = queueOf[shape.first] or openQueue(shape.first)
    entries[#entries + 1] = (shape.first.u and 'i' or '-') .. id
    putPacked(id, shape.fresh .. time .. input)
    return budget
  end
  local run
  if isPacked then
    run = makeRun(id, nil, shape.m, setmetatable({ i = input, c = time }, unasked))
    run.isPacked = true
  else
    run = makeRun(id, prefix .. 'r:' .. id, shape.m, setmetatable({ i = input, c = time }, unasked))
    run.set = { 'i', input, 'c', time, nil, nil, nil, nil, nil, nil, nil, nil } -- room for what starts
    touch(run)
  end
  if watched ~= false then tell('RunStarted', run, 1) end
  if elements ~= '' then
    for _, decided in ipairs(cjson.decode(elements)) do
      put(run, 'n' .. decided[1], decided[4])
      stages[#stages + 1] = prefix .. 'f:' .. id .. ':' .. decided[2]
      stages[#stages + 1] = decided[3]
    end
  end
  local known = #timers
  if shape.delay == 0 then
    budget = launch(run, budget)
  else
    put(run, 'w', '1')
    timers[known + 1] = now + shape.delay
    timers[known + 2] = 'r\t' .. id
  end
  hint(shape.first and shape.first.w or 'default', timers[known + 1])
  return budget
end

export('submit', function(argv)
  local budget = numberOf(argv[1])
  local replies, created, known, uses = {}, {}, {}, {}
  local time = shortTime()
  local ids = {}
  for i = 2, #argv, 4 do ids[#ids + 1] = argv[i] end
  loadPacked(ids)
  local areAllNew = areNew(ids)
  for position = 1, #ids do
    local id, i = ids[position], position * 4 - 1
    local head, input, elements = argv[i], argv[i + 1], argv[i + 2]
    atWork = id
    local run, reply = runs[id], nil
    if run == nil and (raw[id] or not areAllNew and call('HEXISTS', prefix .. 'r:' .. id, 'm') == 1) then run = loadRun(id) end
    local shape = known[head]
    if not shape and run ~= false then
      shape = shapeOf(head)
      known[head] = shape
    end
    if run == false then
      reply = 'damaged'
    elseif run then
      reply = run.hash == shape.hash and get(run, 'i') == input and 'exists' or 'conflict'
    elseif not shape.m then
      reply = 'unplanned'
    elseif elements ~= '' and not areStaged(cjson.decode(elements)) then
      reply = 'unstaged'
    else
      budget = create(id, shape, input, elements, time, budget)
      created[#created + 1] = id
      uses[shape.hash] = (uses[shape.hash] or 0) + 1
      reply = 'created'
    end
    replies[position] = reply
  end
  -- First what all else is found by: a run that a store has by half is in the list, and has its plan.
  isWriting = true
  callWith('RPUSH', prefix .. 'runs', created)
  countRuns(uses)
  save()
  return replies
end, {})
