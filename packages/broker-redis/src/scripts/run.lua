-- run.lua: a run as the kernel sees it, read lazily and written once.
--
-- A script loads each run it touches at most once, changes it in memory, and writes everything in `save` at the end:
-- all that can fail comes before the first write, and what many reports of one batch say of one join costs one write.
--
-- Fields of the hash r:<run>
--   m            state, closing, decided, on failure, deferred; generation, open nodes, plan hash, time of end: see `loadRun`
--   c            digest of plan and input, time of submission
--   w            1 while its start is delayed
--   i            the input
--   <address>    r (ready or running), once tried or lost with <tries>,<ms>,<lost>, and where it expires with when: ,<due>
--                s<due>|<tries>|<nonce>|<ms> (scheduled), or an end: see below
--   j<address>   the join of a blocked node, once an edge of several has been resolved
--   l<address>   the last failure of a node that is tried again
--   n<address>   the number of elements of a fork, once decided
--   e<address>   the instances of a collect: elements, released, ended, dropped
--   y            the token of the last retry
-- A blocked node has no field under its address.

local prefix = KEYS[1]
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

-- Numbers become text by printf, which costs more than a Redis command: small ones are kept.
local texts = { [now] = string.format('%.0f', now) }
local function text(number)
  local known = texts[number]
  if not known then
    known = string.format('%.0f', number)
    texts[number] = known
  end
  return known
end

local NONE = {}

local runs = {}      -- loaded, by id
local loaded = {}    -- the same, in order
local pushes = {}    -- list -> entries to append
local fronts = {}    -- list -> entries to put first, the first one first
local trims = {}     -- list -> entries to take away at its head
local stages = {}    -- elements to keep: key, then an array of payloads or the name of a staged hash
local unused = {}    -- staged hashes that are used up
local timers = {}    -- score, member, score, member, ...
local woken = {}     -- queues that got something
local ended = {}     -- state -> runs that ended
local events = {}    -- what happened, when somebody listens

-- Flags say what need not be looked at: one read instead of one per possibility. Fields of the hash `flags`
--   watched        until when somebody listens to events
--   x              runs have deferred work
--   swept          when somebody swept last
--   s:<queue>, k:<queue>   the queue has suspects, or parked nodes
--   b:<queue>      the bands it has ever used, as digits in order
local flags = {}
local newFlags = {}

local function flag(name)
  local value = flags[name]
  if value == nil then
    value = redis.call('HGET', prefix .. 'flags', name)
    flags[name] = value
  end
  return value
end

local function loadFlags(queues)
  local names = { 'watched', 'x' }
  for _, queue in ipairs(queues) do
    names[#names + 1] = 's:' .. queue
    names[#names + 1] = 'k:' .. queue
    names[#names + 1] = 'b:' .. queue
  end
  for i, value in ipairs(redis.call('HMGET', prefix .. 'flags', unpack(names))) do flags[names[i]] = value end
end

local function setFlag(name, value)
  if flag(name) == value then return end
  flags[name] = value
  newFlags[name] = value
end

local programs = {}  -- plan hash -> node -> program, decoded
local bodies = {}    -- plan hash -> bodies

local function programOf(hash, node)
  local nodes = programs[hash]
  if not nodes then
    nodes = {}
    programs[hash] = nodes
  end
  local program = nodes[node]
  if not program then
    program = cjson.decode(redis.call('HGET', prefix .. 'p:' .. hash, node))
    nodes[node] = program
  end
  return program
end

local function bodiesOf(hash)
  local known = bodies[hash]
  if not known then
    known = cjson.decode(redis.call('HGET', prefix .. 'p:' .. hash, '#'))
    bodies[hash] = known
  end
  return known
end

local watched
local function tell(event, run, ...)
  if watched == nil then watched = tonumber(flag('watched') or '0') > now end
  if watched then events[#events + 1] = { event, run.id, now, ... } end
end

-- What `m` says, parsed once per text: the runs of a batch mostly say the same.
local metas = {}
local function metaOf(m)
  local meta = metas[m]
  if not meta then
    local state, close, decided, onFailure, deferred, generation, open, hash, endedAt =
      string.match(m, '^(.)(.)(.)(.)(.)(%d+),(%d+),([^,]*),?(%d*)$')
    meta = {
      state = state, closing = close, decided = decided, onFailure = onFailure, deferred = deferred == 'D',
      generation = generation, open = tonumber(open), hash = hash, endedAt = endedAt ~= '' and endedAt or nil
    }
    metas[m] = meta
  end
  return meta
end

local function makeRun(id, m, fields)
  if not m then
    runs[id] = false
    return false
  end
  local meta = metaOf(m)
  local run = {
    id = id, state = meta.state, closing = meta.closing, decided = meta.decided, onFailure = meta.onFailure,
    generation = meta.generation, open = meta.open, hash = meta.hash, endedAt = meta.endedAt, fields = fields,
    dirty = false, joins = false, work = false, head = 1, stored = 0, read = 0, changed = false, wasDeferred = meta.deferred
  }
  if run.wasDeferred then
    run.work = {}
    run.stored = redis.call('LLEN', prefix .. 'd:' .. id)
  end
  runs[id] = run
  loaded[#loaded + 1] = run
  return run
end

local function loadRun(id)
  local run = runs[id]
  if run ~= nil then return run end
  return makeRun(id, redis.call('HGET', prefix .. 'r:' .. id, 'm'), {})
end

-- The same, and a field or two with it.
local function loadRunWith(id, first, second)
  local run = runs[id]
  if run ~= nil then return run end
  local key = prefix .. 'r:' .. id
  if second then
    local values = redis.call('HMGET', key, 'm', first, second)
    return makeRun(id, values[1], { [first] = values[2], [second] = values[3] })
  end
  local values = redis.call('HMGET', key, 'm', first)
  return makeRun(id, values[1], { [first] = values[2] })
end

-- Work of the run that is to be done in this call, or deferred with it. What is deferred may be much: it is read from the
-- head of its list some at a time, and new work waits in `later` until all that stands there has been read.
local function defer(run, item)
  if not run.work then run.work = {} end
  local list = run.work
  if run.read < run.stored then
    run.later = run.later or {}
    list = run.later
  end
  list[#list + 1] = item
end

local function nextWork(run)
  local work = run.work
  if not work then return nil end
  if run.head > #work and run.read < run.stored then
    for _, item in ipairs(redis.call('LRANGE', prefix .. 'd:' .. run.id, run.read, run.read + 199)) do work[#work + 1] = item end
    run.read = #work
    if run.read == run.stored then
      for _, item in ipairs(run.later or NONE) do work[#work + 1] = item end
      run.later = nil
    end
  end
  return work[run.head]
end

local function get(run, field)
  local value = run.fields[field]
  if value == nil then
    value = redis.call('HGET', prefix .. 'r:' .. run.id, field)
    run.fields[field] = value
  end
  return value
end

local function put(run, field, value)
  run.fields[field] = value
  if run.dirty then run.dirty[field] = value else run.dirty = { [field] = value } end
end

-- ---- addresses -------------------------------------------------------------------------------------------------------

-- '7.3.12' -> '7.3.', 12
local splits = {}
local function split(address)
  local known = splits[address]
  if not known then
    local frame, node = string.match(address, '^(.*%.)(%d+)$')
    known = { frame or '', tonumber(node or address) }
    splits[address] = known
  end
  return known[1], known[2]
end

-- '7.3.' -> '', '7', '3': the frame around, the collect, the position of the element
local function around(frame)
  return string.match(frame, '^(.-)(%d+)%.(%d+)%.$')
end

-- The address of a plan node as seen from a frame of `body`: in the frame itself or in one around it.
local function visible(run, frame, body, node)
  local target = programOf(run.hash, node).b
  while body ~= target do
    frame = around(frame)
    body = bodiesOf(run.hash)[body + 1].parent
  end
  return frame .. text(node)
end

-- ---- cells -----------------------------------------------------------------------------------------------------------
-- Ends: S<number>|<ms>|<nonce>|<value>   succeeded; number is the edge that fired or the count of elements; ms is what its
--         attempts took, and after an x their number where there were several
--       F<tries>|<ms>|<nonce>|<declared 0/1>|<tag>\n<error>   failed
--       K<address of the failed node>   skipped       V   void       X<nonce>   cancelled

local function isEnd(value)
  if not value then return false end
  local first = string.byte(value)
  return first ~= 114 and first ~= 115 -- r, s
end

local function causeOf(address, value)
  if string.byte(value) == 75 then return string.sub(value, 2) end -- K
  return address
end

local function isActive(value) return value and string.byte(value) == 114 end

-- Tries, ms and lost deliveries of what is ready, running or scheduled.
local function historyOf(value)
  local tries, ms, lost = string.match(value, '^r(%d+),(%d+),(%d+)')
  if tries then return tonumber(tries), tonumber(ms), tonumber(lost) end
  tries, ms = string.match(value, '^s%d+|(%d+)|[^|]*|(%d+)$')
  if tries then return tonumber(tries), tonumber(ms), 0 end
  return 0, 0, 0
end

local function countOf(value)
  return tonumber(string.match(value, '^S(%-?%d+)|')) or 0
end

local function failureOf(run, cause)
  local declared, tag = string.match(get(run, cause), '^F%d+|[%dx]+|[^|]*|([01])|([^\n]*)\n')
  return declared == '1', tag
end

-- ---- queues ------------------------------------------------------------------------------------------------------------

local function useBand(queue, band)
  local known = flag('b:' .. queue) or ''
  if string.find(known, band, 1, true) then return end
  local digits = { band }
  for digit in string.gmatch(known, '.') do digits[#digits + 1] = digit end
  table.sort(digits)
  setFlag('b:' .. queue, table.concat(digits))
end

-- Whether all elements that were staged are still there: asked before anything is written, as a rename without a source
-- fails in the middle of `save`.
local function areStaged(forks)
  for _, fork in ipairs(forks) do
    if type(fork[3]) == 'string' and redis.call('EXISTS', fork[3]) == 0 then return false end
  end
  return true
end

-- ---- saving ----------------------------------------------------------------------------------------------------------

local function saveJoin(join)
  return text(join.pending) .. (join.dead and ',2,' or join.gated and ',1,' or ',0,') .. text(join.from) .. ',' .. text(join.voids) .. ',' ..
    text(join.cancels) .. ',' .. (join.death or '-') .. ',' .. text(join.deathEdge)
end

-- HSET, HDEL, RPUSH of any number of arguments.
local function callWith(name, key, arguments)
  if #arguments == 0 then return end
  if #arguments <= 1000 then return redis.call(name, key, unpack(arguments)) end
  for i = 1, #arguments, 1000 do redis.call(name, key, unpack(arguments, i, math.min(i + 999, #arguments))) end
end

local function saveWork(run, rest)
  local key = prefix .. 'd:' .. run.id
  if not rest then
    if run.stored > 0 then redis.call('DEL', key) end
    return
  end
  local done = math.min(run.head - 1, run.read)
  if done > 0 then redis.call('LTRIM', key, done, -1) end
  if run.rewritten == run.head and run.head <= run.read then redis.call('LSET', key, 0, run.work[run.head]) end
  local new = {}
  for i = math.max(run.head, run.read + 1), #run.work do new[#new + 1] = run.work[i] end
  for _, item in ipairs(run.later or NONE) do new[#new + 1] = item end
  callWith('RPUSH', key, new)
end

local function saveRun(run)
  local key = prefix .. 'r:' .. run.id
  local set, del = {}, nil
  local rest = nextWork(run) ~= nil
  if rest ~= run.wasDeferred then run.changed = true end
  if run.changed then
    set[1] = 'm'
    set[2] = run.state .. run.closing .. run.decided .. run.onFailure .. (rest and 'D' or '-') ..
      run.generation .. ',' .. text(run.open) .. ',' .. run.hash .. (run.endedAt and ',' .. run.endedAt or '')
  end
  for field, value in pairs(run.dirty or NONE) do
    if value then
      set[#set + 1] = field
      set[#set + 1] = value
    else
      del = del or {}
      del[#del + 1] = field
    end
  end
  for address, join in pairs(run.joins or NONE) do
    if join.dirty and not join.over then
      set[#set + 1] = 'j' .. address
      set[#set + 1] = saveJoin(join)
    elseif join.dirty and join.stored then
      del = del or {}
      del[#del + 1] = 'j' .. address
    end
  end
  -- A join that was deleted may have begun anew.
  if del then callWith('HDEL', key, del) end
  callWith('HSET', key, set)
  saveWork(run, rest)
  if rest and not run.wasDeferred then
    redis.call('SADD', prefix .. 'x', run.id)
    setFlag('x', '1')
  elseif run.wasDeferred and not rest then
    redis.call('SREM', prefix .. 'x', run.id)
  end
end

-- What is given back stands first; also for a claim of the same call.
local function putFirst()
  for list, entries in pairs(fronts) do
    for i = #entries, 1, -1 do redis.call('LPUSH', list, entries[i]) end
    woken[entries.queue] = true
  end
  fronts = {}
end

-- The runs that began to close in this call and go on: somebody may hold something of them that is to stop.
local function closingRuns()
  local ids = {}
  for _, run in ipairs(loaded) do
    if run.closes and run.state == 'R' then ids[#ids + 1] = run.id end
  end
  return ids
end

local function save()
  for _, run in ipairs(loaded) do
    if run.changed or run.dirty or run.joins or run.wasDeferred then saveRun(run) end
  end
  for list, count in pairs(trims) do redis.call('LTRIM', list, count, -1) end
  putFirst()
  for list, entries in pairs(pushes) do
    local first = (entries.taken or 0) + 1
    if first <= #entries and entries.queue then woken[entries.queue] = true end
    for i = first, #entries, 1000 do redis.call('RPUSH', list, unpack(entries, i, math.min(i + 999, #entries))) end
  end
  for i = 1, #stages, 2 do
    local key, elements = stages[i], stages[i + 1]
    if type(elements) == 'string' then
      redis.call('RENAME', elements, key)
    else
      local set = {}
      for index, element in ipairs(elements) do
        set[#set + 1] = index - 1
        set[#set + 1] = element
      end
      if #set > 0 then redis.call('HSET', key, unpack(set)) end
    end
  end
  if #unused > 0 then redis.call('UNLINK', unpack(unused)) end
  for i = 1, #timers, 1000 do redis.call('ZADD', prefix .. 't', unpack(timers, i, math.min(i + 999, #timers))) end
  for state, over in pairs(ended) do
    local ids, entries = {}, {}
    for i, run in ipairs(over) do
      ids[i] = run.id
      entries[i] = run.id .. '\t' .. run.generation .. '\t' .. text(now)
    end
    for i = 1, #entries, 1000 do redis.call('RPUSH', prefix .. 'done:' .. state, unpack(entries, i, math.min(i + 999, #entries))) end
    redis.call('PUBLISH', prefix .. 'ended', table.concat(ids, '\t'))
  end
  if #events > 0 then redis.call('PUBLISH', prefix .. 'events', cjson.encode(events)) end
  local names = {}
  for queue in pairs(woken) do names[#names + 1] = queue end
  local closing = closingRuns()
  if #names > 0 or #closing > 0 then
    -- Queues with work, and after a line break the runs of which something is to stop.
    local message = table.concat(names, '\t')
    if #closing > 0 then message = message .. '\n' .. table.concat(closing, '\t') end
    redis.call('PUBLISH', prefix .. 'wake', message)
  end
  local changes = {}
  for name, value in pairs(newFlags) do
    changes[#changes + 1] = name
    changes[#changes + 1] = value
  end
  if #changes > 0 then redis.call('HSET', prefix .. 'flags', unpack(changes)) end
end
