-- hold.lua: what a worker holds. w:<worker> is a hash of run \t address -> claimed at (13 digits) tries,lost,nonce, and
--   #sequence   the base of the last call's nonces: a call sent again is known by it
--   #known      that it is registered
--   #alone      the nonce of a suspect it holds; it gets nothing else meanwhile
-- The presence of a field with the right nonce is the fence: who takes a delivery back deletes the field.

local function parseHeld(value)
  local tries, lost, nonce = string.match(value, '^(%d+),(%d+),(.*)$', 14)
  return { nonce = nonce, tries = tonumber(tries), lost = tonumber(lost), claimedAt = tonumber(string.sub(value, 1, 13)) }
end

-- For sorting what is given back: the last claimed first, so that all stands in its queue in the order it was claimed.
local function isLater(a, b)
  if a.claimedAt ~= b.claimedAt then return a.claimedAt > b.claimedAt end
  local function place(held) return tonumber(string.match(held.nonce, '%.(%d+)$')) or 0 end
  return place(a) > place(b)
end

-- Loads the fields that the settlements in ARGV from `first` on speak of.
local function loadHolder(worker, first)
  local key = prefix .. 'w:' .. worker
  local fields = { '#known', '#sequence', '#alone' }
  for i = first, #ARGV, 8 do fields[#fields + 1] = ARGV[i] .. '\t' .. ARGV[i + 1] end
  local holder = { worker = worker, key = key, held = {}, gone = {} }
  for from = 1, #fields, 1000 do
    local to = math.min(from + 999, #fields)
    for i, value in ipairs(redis.call('HMGET', key, unpack(fields, from, to))) do
      local field = fields[from + i - 1]
      if value then
        if field == '#known' then holder.known = true
        elseif field == '#sequence' then holder.sequence = value
        elseif field == '#alone' then holder.alone = value
        else holder.held[field] = parseHeld(value) end
      end
    end
  end
  return holder
end

-- Whether it holds anything beyond what this call settles.
local function isHolding(holder)
  local own = 0
  if holder.known then own = own + 1 end
  if holder.sequence then own = own + 1 end
  if holder.alone then own = own + 1 end
  return redis.call('HLEN', holder.key) - own - #holder.gone > 0
end

local function letGo(holder, id, address, held)
  local field = id .. '\t' .. address
  holder.held[field] = nil
  holder.gone[#holder.gone + 1] = field
  freed[field] = true
  if holder.alone == held.nonce then
    holder.alone = nil
    holder.gone[#holder.gone + 1] = '#alone'
  end
end

local function saveHolder(holder, base, taken, note)
  local key = holder.key
  for i = 1, #holder.gone, 1000 do redis.call('HDEL', key, unpack(holder.gone, i, math.min(i + 999, #holder.gone))) end
  if base and base ~= '' and #taken > 0 then
    taken[#taken + 1] = '#sequence'
    taken[#taken + 1] = base
  end
  if note.alone then
    taken[#taken + 1] = '#alone'
    taken[#taken + 1] = note.alone
    redis.call('LREM', note.list, 1, note.entry)
    redis.call('HDEL', prefix .. 'reserved', note.entry)
  end
  for i = 1, #taken, 1000 do redis.call('HSET', key, unpack(taken, i, math.min(i + 999, #taken))) end
  if note.reserve then redis.call('HSET', prefix .. 'reserved', note.reserve, holder.worker) end
end

-- What is kept of a nonce (16 characters of its call, a dot, a number) once its delivery is over: enough to know the same report again.
local function mark(nonce) return string.sub(nonce, 1, 6) .. string.sub(nonce, 17) end

-- Whether the outcome of this delivery is what the cell says: then the report has come before.
local function wasRecorded(run, address, nonce)
  local value = get(run, address)
  if not value then return false end
  local first = string.sub(value, 1, 1)
  if first == 's' then return string.match(value, '^s%d+|%d+|([^|]*)|') == mark(nonce) end
  if first == 'X' then return string.sub(value, 2) == mark(nonce) end
  return (first == 'S' or first == 'F') and string.match(value, '^.%-?%d+|[%dx]+|([^|]*)|') == mark(nonce)
end

-- What the attempts of a cell took so far, this one included.
local function tookWith(run, address, held)
  local took = math.max(0, now - held.claimedAt)
  if held.tries == 0 then return took, text(took) end
  local _, before = historyOf(get(run, address))
  return took + before, text(took + before) .. 'x' .. text(held.tries + 1)
end

-- Ready again: first in its queue when released, apart as a suspect when its worker was lost.
local function giveBack(holder, run, address, program, held, isLost, maxLost)
  letGo(holder, run.id, address, held)
  local lost = held.lost + (isLost and 1 or 0)
  tell('NodeReleased', run, address, held.tries + 1, isLost and 'lost' or 'released')
  if lost >= maxLost then
    endCell(run, address, program, 'F' .. text(held.tries) .. '|0||0|PoisonPill\n{"_tag":"PoisonPill","deliveries":' .. lost .. '}')
  elseif isClosedFor(run, program) then
    endCell(run, address, program, 'X')
  elseif lost > 0 then
    local _, ms = historyOf(get(run, address))
    push(run, address, program, held.tries, lost, ms)
  else
    local list = prefix .. 'q:' .. program.w .. ':' .. program.y
    fronts[list] = fronts[list] or { queue = program.w }
    table.insert(fronts[list], 1, entryOf(run, address, program, held.tries, 0))
    if program.x and program.x.expires then
      local _, ms = historyOf(get(run, address))
      putReady(run, address, program, held.tries, 0, ms)
    end
  end
end

-- The nonces of what a worker holds of closing runs.
local function interruptsOf(key)
  local nonces = {}
  local fields = redis.call('HGETALL', key)
  for i = 1, #fields, 2 do
    if string.sub(fields[i], 1, 1) ~= '#' then
      local id, address = string.match(fields[i], '^([^\t]*)\t(.*)$')
      local run = loadRun(id)
      local _, node = split(address)
      if run and isClosedFor(run, programOf(run.hash, node)) then nonces[#nonces + 1] = parseHeld(fields[i + 1]).nonce end
    end
  end
  return nonces
end

-- The deliveries of an earlier call with this base that are still out.
local function redeliver(holder, base)
  local deliveries = {}
  local fields = redis.call('HGETALL', holder.key)
  for i = 1, #fields, 2 do
    local held = string.sub(fields[i], 1, 1) ~= '#' and parseHeld(fields[i + 1])
    if held and string.sub(held.nonce, 1, #base + 1) == base .. '.' then
      local id, address = string.match(fields[i], '^([^\t]*)\t(.*)$')
      local run = loadRun(id)
      if run then
        local frame, node = split(address)
        local cell = { run = run, address = address, frame = frame, program = programOf(run.hash, node), tries = text(held.tries), lost = text(held.lost) }
        deliveries[#deliveries + 1] = deliver(nil, cell, held.nonce, holder.worker)
      end
    end
  end
  return deliveries
end

-- Keeps the elements a report brings for the forks it decides; the error of a report that lacks some.
local function stage(run, address, program, elements)
  if not program.d then return nil end
  local frame = split(address)
  local brought = elements == '' and {} or cjson.decode(elements)
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

-- Milliseconds to the next attempt; nil when this was the last.
local function retryDelay(run, program, tries, tag, retryable, after, random)
  local policy = program.x
  if not policy or not retryable or tries >= policy.attempts or isClosedFor(run, program) then return nil end
  for _, except in ipairs(policy.except) do
    if except == tag then return nil end
  end
  if after then return after end
  local delay = math.min(policy.max, policy.backoff == 'fixed' and policy.base or policy.base * 2 ^ (tries - 1))
  return policy.jitter and math.floor(delay * random + 0.5) or delay
end
