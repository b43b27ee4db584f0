-- kernel.lua: how a node becomes ready, and how a run ends. The same machine as core's engine/advance.ts, rule by rule and
-- in the same order; read that file's header first. Here cells are addresses and a run is what run.lua loaded.
--
-- A program (a node of the plan as the kernel needs it, JSON under p:<hash>) has
--   k kind (T task, D decide, F fork, P pass, C collect), j join (a all, o any, s settled), b body, n number of join edges,
--   g gate as {source, condition, captured}, a join edges from around the body as {source, condition, edge}, o outgoing edges as {target, condition, edge (-1 the gate)},
--   c cleanup, t task, w queue, y priority, x policy (where it has delay, expires or retries), m nodes its input needs,
--   u whether it needs the run's input, r body it releases, l body it collects, z body whose instance it ends,
--   d forks it decides.
-- A condition is 0 (success), 1 (settled), {b = branch} or {f = 'any' | 'declared' | {tag, ...}}.

local SUCCESS, SETTLED = 0, 1

-- What the end of a source does to an edge: 'fire', 'void', 'cancelled', or the address of the failed cell.
local function verdict(run, address, value, when, cleanup)
  local first = string.sub(value, 1, 1)
  if first == 'S' then
    if when == SUCCESS or when == SETTLED then return 'fire' end
    if not when.b then return 'void' end
    -- The number of a pass is the edge that fired, and no branch.
    local _, node = split(address)
    local count = programOf(run.hash, node).k == 'P' and 0 or countOf(value)
    return when.b == count and 'fire' or 'void'
  elseif first == 'F' or first == 'K' then
    local cause = causeOf(address, value)
    if when == SUCCESS then return cause end
    if when == SETTLED then return 'fire' end
    if not when.f then return 'void' end
    local declared, tag = failureOf(run, cause)
    if when.f == 'any' then return 'fire' end
    if when.f == 'declared' then return declared and 'fire' or 'void' end
    for _, wanted in ipairs(when.f) do
      if wanted == tag then return 'fire' end
    end
    return 'void'
  elseif first == 'X' then
    return when == SETTLED and cleanup and 'fire' or 'cancelled'
  end
  return 'void'
end

local function joinOf(run, address, program)
  if not run.joins then run.joins = {} end
  local join = run.joins[address]
  if join then return join end
  -- After a retry also one edge may have been resolved calls ago.
  local stored = (program.n > 1 or program.g or program.k == 'C' or run.generation ~= '1') and get(run, 'j' .. address)
  if stored then
    local pending, gated, from, voids, cancels, death, deathEdge = string.match(stored, '^(%-?%d+),(%d),(%-?%d+),(%d+),(%d+),([^,]*),(%-?%d+)$')
    join = {
      pending = tonumber(pending), gated = gated ~= '0', dead = gated == '2', from = tonumber(from), voids = tonumber(voids), cancels = tonumber(cancels),
      death = death ~= '-' and death or nil, deathEdge = tonumber(deathEdge), stored = true
    }
  else
    join = { pending = program.n, gated = program.g ~= nil, from = -1, voids = 0, cancels = 0, deathEdge = -1 }
  end
  run.joins[address] = join
  return join
end

local function record(join, program, edge, said)
  join.dirty = true
  join.pending = join.pending - 1
  if said == 'fire' then
    if join.from < 0 then join.from = edge end
  elseif said == 'void' then
    join.voids = join.voids + 1
  else
    if said == 'cancelled' then join.cancels = join.cancels + 1 end
    local dies
    if program.j == 'o' then dies = said ~= 'cancelled' and edge > join.deathEdge
    else dies = join.deathEdge < 0 or edge < join.deathEdge end
    if dies then
      join.death = said
      join.deathEdge = edge
    end
  end
end

local function expansionOf(run, address)
  local stored = get(run, 'e' .. address)
  if not stored then return nil end
  local total, released, over, dropped = string.match(stored, '^(%d+),(%d+),(%d+),(%d)$')
  return { total = tonumber(total), released = tonumber(released), ended = tonumber(over), dropped = dropped == '1' }
end

local function saveExpansion(run, address, expansion)
  put(run, 'e' .. address, expansion.total .. ',' .. expansion.released .. ',' .. expansion.ended .. ',' .. (expansion.dropped and 1 or 0))
end

-- 'wait', 'go', or how it ends.
local function decide(run, address, program, join)
  if program.j == 'a' then
    if join.voids > 0 then return 'void' end
    return join.death or (join.pending == 0 and 'go' or 'wait')
  elseif program.j == 'o' then
    if join.from >= 0 then return 'go' end
    if join.pending > 0 then return 'wait' end
    return join.cancels > 0 and 'cancelled' or join.death or 'void'
  end
  if join.pending > 0 then return 'wait' end
  local edges = program.n
  if program.k == 'C' then
    local expansion = expansionOf(run, address)
    edges = expansion and expansion.released or 0
  end
  if edges > 0 and join.voids == edges then return 'void' end
  return join.cancels > 0 and not program.c and 'cancelled' or 'go'
end

local function isClosedFor(run, program) return run.closing ~= '-' and not program.c end

-- A queue entry: run \t address \t tries \t lost \t generation \t whether the input is needed; for a suspect \t since.
local function entryOf(run, address, program, tries, lost)
  local entry = run.id .. '\t' .. address .. '\t' .. text(tries) .. '\t' .. text(lost) .. '\t' .. run.generation .. (program.u and '\t1' or '\t0')
  return lost > 0 and entry .. '\t' .. text(now) or entry
end

-- What is due at one time is so in the order it was set: the number says which came first of one call.
local function setTimer(run, due, kind, address, said)
  timers[#timers + 1] = due
  timers[#timers + 1] = text(10000 + #timers) .. kind .. '\t' .. run.id .. '\t' .. address .. '\t' .. text(said) .. '\t' .. run.generation
end

-- Ready, or with a worker. Where the wait may expire the field says when, so that no timer of an earlier wait ends it.
local function putReady(run, address, program, tries, lost, ms)
  local expires = program.x and program.x.expires
  if expires then
    put(run, address, 'r' .. text(tries) .. ',' .. text(ms) .. ',' .. text(lost) .. ',' .. text(now + expires))
    setTimer(run, now + expires, 'x', address, now + expires)
  else
    put(run, address, (tries > 0 or lost > 0) and 'r' .. text(tries) .. ',' .. text(ms) .. ',' .. text(lost) or 'r')
  end
end

local function push(run, address, program, tries, lost, ms)
  local list = prefix .. 'q:' .. program.w .. ':' .. program.y
  if lost > 0 then
    list = prefix .. 's:' .. program.w
    setFlag('s:' .. program.w, '1')
  else
    useBand(program.w, program.y)
  end
  local entries = pushes[list]
  if not entries then
    entries = { queue = program.w }
    pushes[list] = entries
  end
  entries[#entries + 1] = entryOf(run, address, program, tries, lost)
  putReady(run, address, program, tries, lost, ms)
end

local function schedule(run, address, due, tries, nonce, ms)
  put(run, address, 's' .. text(due) .. '|' .. text(tries) .. '|' .. nonce .. '|' .. text(ms))
  setTimer(run, due, 's', address, tries)
end

-- ---- ends ------------------------------------------------------------------------------------------------------------

local close -- below; ending the exit may close the run

local function outcomeOf(value)
  local first = string.sub(value, 1, 1)
  if first == 'S' then return 'S' end
  return (first == 'F' or first == 'K') and 'F' or 'X'
end

local function finish(run)
  run.state = run.decided
  run.work = false
  run.head = 1
  run.endedAt = text(now)
  tell('RunEnded', run, run.state)
  ended[run.state] = ended[run.state] or {}
  table.insert(ended[run.state], run)
end

local function endCell(run, address, program, value)
  put(run, address, value)
  local join = run.joins and run.joins[address]
  if join then
    join.over = true
    join.dirty = true
  end
  run.open = run.open - 1
  run.changed = true
  tell('NodeEnded', run, address, string.sub(value, 1, 1))
  -- Work without dependants needs no propagation.
  if #program.o > 0 or program.r or program.z then defer(run, address) end
  if program.z == 0 then
    run.decided = run.closing == 'C' and 'X' or outcomeOf(value)
    tell('RunDecided', run, run.decided)
    if run.decided == 'F' and run.onFailure == 'C' then close(run, 'F') end
  end
  if run.open == 0 then finish(run) end
end

-- No node starts any more but cleanup. What is ready or running is found in slices by the sweep (`cancelling`), so that
-- closing costs the same for every size of run; claims look at the flag meanwhile.
close = function(run, reason)
  if run.closing == 'C' or run.closing == reason then return end
  run.closing = reason
  run.changed = true
  run.closes = true
  if reason == 'C' then tell('RunCancelling', run) end
  defer(run, 'close|0')
end

local function go(run, address, program, join)
  local kind = program.k
  if kind == 'T' or kind == 'D' then
    if isClosedFor(run, program) then endCell(run, address, program, 'X')
    elseif program.x and program.x.delay > 0 then
      run.changed = true
      schedule(run, address, now + program.x.delay, 0, '', 0)
    else
      push(run, address, program, 0, 0, 0)
    end
  elseif kind == 'F' then
    endCell(run, address, program, 'S' .. (get(run, 'n' .. address) or '0') .. '|0||')
  elseif kind == 'C' then
    local expansion = expansionOf(run, address)
    endCell(run, address, program, 'S' .. text(expansion and expansion.total or 0) .. '|0||')
  else
    endCell(run, address, program, 'S' .. text(join and join.from or -1) .. '|0||')
  end
end

local function endAs(run, address, program, said)
  if said == 'void' then endCell(run, address, program, 'V')
  elseif said == 'cancelled' then endCell(run, address, program, 'X')
  else endCell(run, address, program, 'K' .. said) end
end

local function evaluate(run, address, program)
  if get(run, address) then return end
  local join = joinOf(run, address, program)
  if join.gated then return end
  local decision = decide(run, address, program, join)
  if decision == 'wait' then return end
  if decision == 'go' then
    go(run, address, program, join)
    if not join.over and join.stored then
      join.over = true
      join.dirty = true
    elseif not join.stored then
      join.dirty = false
    end
  else
    endAs(run, address, program, decision)
  end
end

local function resolve(run, address, program, edge, said)
  if edge >= 0 then
    record(joinOf(run, address, program), program, edge, said)
  elseif said == 'fire' then
    local join = joinOf(run, address, program)
    join.gated = false
    join.dirty = true
  else
    joinOf(run, address, program)
    return endAs(run, address, program, said)
  end
  evaluate(run, address, program)
end

-- ---- instances -------------------------------------------------------------------------------------------------------

-- Resolves the edges that come from around an instance, and lets its cells go.
local function admit(run, frame, body)
  for node = body.first, body.first + body.count - 1 do
    local address = frame .. text(node)
    local program = programOf(run.hash, node)
    if not get(run, address) then
      for _, edge in ipairs(program.a or {}) do
        local from = visible(run, frame, program.b, edge[1])
        local value = get(run, from)
        if isEnd(value) then record(joinOf(run, address, program), program, edge[3], verdict(run, from, value, edge[2], program.c)) end
      end
      if program.g and program.g[3] then
        local from = visible(run, frame, program.b, program.g[1])
        resolve(run, address, program, -1, verdict(run, from, get(run, from), program.g[2], program.c))
      else
        evaluate(run, address, program)
      end
    end
  end
end

-- The release (a fork, where there is none) has ended: if well, its collect will wait for as many instances as there are elements.
local function open(run, frame, program, value)
  local body = bodiesOf(run.hash)[program.r + 1]
  local collect = frame .. text(body.collect)
  local collectProgram = programOf(run.hash, body.collect)
  local expansion = expansionOf(run, collect)
  if string.byte(value) ~= 83 or isEnd(get(run, collect)) then return end
  if not expansion then
    if isClosedFor(run, collectProgram) then return endCell(run, collect, collectProgram, 'X') end
    local total = countOf(get(run, frame .. text(body.fork)))
    saveExpansion(run, collect, { total = total, released = 0, ended = 0, dropped = false })
    local join = joinOf(run, collect, collectProgram)
    join.pending = total
    join.dirty = true
  end
  defer(run, 'release|' .. collect)
end

-- Whether the cell is a release whose instances a retry has kept.
local function hasKept(run, address)
  if run.generation == '1' then return false end
  local frame, node = split(address)
  local program = programOf(run.hash, node)
  return program.r and get(run, 'e' .. frame .. text(bodiesOf(run.hash)[program.r + 1].collect)) and true
end

-- Instances that a retry kept wait for what they use from around them, which has ended, however the release did. Admits
-- those from position `from` on as the budget allows; returns what it spent and the next one's position, nil when all are.
local function admitKept(run, address, from, budget)
  local frame, node = split(address)
  local body = bodiesOf(run.hash)[programOf(run.hash, node).r + 1]
  local collect = frame .. text(body.collect)
  local expansion = expansionOf(run, collect)
  local spent = 0
  while expansion and from < expansion.released do
    if spent >= budget then return spent, from end
    admit(run, collect .. '.' .. text(from) .. '.', body)
    from = from + 1
    spent = spent + body.count
  end
  return spent, nil
end

local function drop(run, collect, program, expansion)
  expansion.dropped = true
  saveExpansion(run, collect, expansion)
  if get(run, collect) then return end
  local join = joinOf(run, collect, program)
  join.pending = join.pending - (expansion.total - expansion.released)
  join.cancels = join.cancels + 1
  join.death = join.death or 'cancelled'
  join.dirty = true
  evaluate(run, collect, program)
end

-- Returns the edges spent and whether it is done.
local function release(run, collect, budget)
  local frame, node = split(collect)
  local program = programOf(run.hash, node)
  local body = bodiesOf(run.hash)[program.l + 1]
  -- After a retry an instance that was kept may end before the release has: then it is the release that goes on.
  local releaser = get(run, frame .. text(body.release))
  if not releaser or string.byte(releaser) ~= 83 then return 0, true end
  local spent = 0
  local expansion = expansionOf(run, collect)
  while not expansion.dropped and expansion.released < expansion.total and
    (not body.concurrency or expansion.released - expansion.ended < body.concurrency) do
    if get(run, collect) or isClosedFor(run, program) then
      drop(run, collect, program, expansion)
      break
    end
    if spent >= budget then return spent, false end
    local index = expansion.released
    expansion.released = index + 1
    saveExpansion(run, collect, expansion)
    run.open = run.open + body.count
    run.changed = true
    admit(run, collect .. '.' .. text(index) .. '.', body)
    spent = spent + body.count
    expansion = expansionOf(run, collect)
  end
  return spent, true
end

local function leave(run, frame, value, address)
  local outer, collectNode, index = around(frame)
  local collect = outer .. collectNode
  local program = programOf(run.hash, tonumber(collectNode))
  local expansion = expansionOf(run, collect)
  expansion.ended = expansion.ended + 1
  saveExpansion(run, collect, expansion)
  if not get(run, collect) then
    record(joinOf(run, collect, program), program, tonumber(index), verdict(run, address, value, SUCCESS, program.c))
    evaluate(run, collect, program)
  end
  if not expansion.dropped and expansion.released < expansion.total and run.state == 'R' then
    defer(run, 'release|' .. collect)
  end
end

-- ---- propagation -----------------------------------------------------------------------------------------------------

-- Returns the edges spent and the position of the next; nil when it is done.
local function propagate(run, address, from, budget)
  local frame, node = split(address)
  local program = programOf(run.hash, node)
  local value = get(run, address)
  if from == 0 and program.r then open(run, frame, program, value) end
  local last = math.min(#program.o, from + budget)
  for i = from + 1, last do
    local edge = program.o[i]
    local target = frame .. text(edge[1])
    local targetProgram = programOf(run.hash, edge[1])
    if not get(run, target) then resolve(run, target, targetProgram, edge[3], verdict(run, address, value, edge[2], targetProgram.c)) end
  end
  if last < #program.o then return last - from, last end
  if program.z and program.z > 0 then leave(run, frame, value, address) end
  return last - from, nil
end

local freed = {} -- run \t address of what this call takes back: the workers' hashes still have it
local out        -- run \t address of all that is out, once somebody asks

-- Whether a delivery of the cell is out: only closing and expiry ask, and one look at every known worker answers for all cells.
local function isHeld(run, address)
  if not out then
    out = {}
    for _, worker in ipairs(redis.call('ZRANGE', prefix .. 'ws', 0, -1)) do
      for _, field in ipairs(redis.call('HKEYS', prefix .. 'w:' .. worker)) do out[field] = true end
    end
  end
  local field = run.id .. '\t' .. address
  return out[field] and not freed[field]
end

-- Ends what is ready or scheduled in a closing run, a slice of its fields at a time. Running deliveries are asked to
-- stop: the holders find their nonces in what the next settle or renewal answers.
local function closeSlice(run, cursor)
  local reply = redis.call('HSCAN', prefix .. 'r:' .. run.id, cursor, 'COUNT', 200)
  local addresses, places, known = {}, {}, {}
  local function add(address)
    if not string.match(address, '^%d[%d%.]*$') or known[address] then return end
    local value = get(run, address)
    if not value or isEnd(value) then return end
    known[address] = true
    addresses[#addresses + 1] = address
    -- The outermost first, then as they stand in their plan.
    local depth = 0
    local place = string.gsub(address, '%d+', function(number)
      depth = depth + 1
      return string.rep('0', 9 - #number) .. number
    end)
    places[address] = string.char(64 + math.min(depth, 60)) .. place
  end
  for i = 1, #reply[2], 2 do
    local field = reply[2][i]
    if run.fields[field] == nil then run.fields[field] = reply[2][i + 1] end
    add(field)
  end
  -- What became ready in this very call is not written yet.
  for field in pairs(run.dirty or NONE) do add(field) end
  table.sort(addresses, function(a, b) return places[a] < places[b] end)
  for _, address in ipairs(addresses) do
    local value = get(run, address)
    if not isEnd(value) then
      local _, node = split(address)
      local program = programOf(run.hash, node)
      if not program.c and (string.byte(value) == 115 or not isHeld(run, address)) then endCell(run, address, program, 'X') end
    end
  end
  return reply[1]
end

-- ---- the next generation -----------------------------------------------------------------------------------------------
-- The rules are those of core's engine/retry.ts, which also says which cells start again. In a run that had ended, each
-- cell has ended: a cell without a field is one that starts again, until the first of them is let go (`resume`).

local function sourceOf(run, frame, program, edge)
  return edge[3] and visible(run, frame, program.b, edge[1]) or frame .. text(edge[1])
end

local function releaseOf(run, frame)
  local outer, collect = around(frame)
  return outer .. text(bodiesOf(run.hash)[programOf(run.hash, tonumber(collect)).l + 1].release)
end

-- An edge from around an instance whose release starts again is resolved by that release, like a new instance's.
local function isKept(run, frame, edge, source)
  return get(run, source) and not (edge[3] and not get(run, releaseOf(run, frame)))
end

-- Blocked again, or gone with its instance. A fork keeps its elements: what decided them may not run again.
local function reset(run, address, isDiscarded)
  put(run, address, false)
  put(run, 'l' .. address, false)
  put(run, 'j' .. address, false)
  if isDiscarded then put(run, 'e' .. address, false) end
end

-- What a collect that starts again knows of its instances before it has looked at them; nil when it has none.
local function renewExpansion(run, address, frame, body)
  local fork, releaser = frame .. text(body.fork), frame .. text(body.release)
  if not get(run, fork) then
    put(run, 'e' .. address, false)
    return nil
  end
  local expansion = expansionOf(run, address)
  if not expansion then
    local value = get(run, releaser)
    if not value or string.byte(value) ~= 83 then return nil end
    expansion = { total = countOf(get(run, fork)), released = 0 }
  end
  expansion.dropped = false
  expansion.ended = 0
  return expansion
end

-- Resolves again the edges of a cell whose sources are kept: its gate, its join edges, then those of its instances. Starts
-- at edge `from`; returns what it spent and the next edge, nil when it is done.
local function replay(run, address, from, budget)
  local frame, node = split(address)
  local program = programOf(run.hash, node)
  local join = joinOf(run, address, program)
  if from == 0 and program.g then
    local source = sourceOf(run, frame, program, program.g)
    if isKept(run, frame, program.g, source) then
      local said = verdict(run, source, get(run, source), program.g[2], program.c)
      join.dirty = true
      if said == 'fire' then join.gated = false
      else
        join.dead = true
        join.death = said
      end
    end
  end
  local last = math.min(program.n, from + budget)
  if from < program.n and not join.dead then
    local edges = cjson.decode(redis.call('HGET', prefix .. 'p:' .. run.hash, 'e' .. text(node)))
    for position = from + 1, last do
      local edge = edges[position]
      local source = sourceOf(run, frame, program, edge)
      if isKept(run, frame, edge, source) then
        record(join, program, position - 1, verdict(run, source, get(run, source), edge[2], program.c))
      end
    end
  end
  if last < program.n then return last - from, last end
  local spent = math.max(0, last - from)
  if program.k ~= 'C' then return spent, nil end
  local body = bodiesOf(run.hash)[program.l + 1]
  local expansion
  if from <= program.n then
    expansion = renewExpansion(run, address, frame, body)
    if expansion then
      join.pending = expansion.total
      join.dirty = true
    end
  else
    expansion = expansionOf(run, address)
  end
  if not expansion then return spent, nil end
  local index = math.max(0, from - program.n)
  while index < expansion.released and spent < budget do
    local source = address .. '.' .. text(index) .. '.' .. text(body.exit)
    local value = get(run, source)
    if value then
      expansion.ended = expansion.ended + 1
      if not join.dead then record(join, program, index, verdict(run, source, value, SUCCESS, program.c)) end
    end
    index = index + 1
    spent = spent + 1
  end
  saveExpansion(run, address, expansion)
  if index < expansion.released then return spent, program.n + index end
  if get(run, frame .. text(body.release)) then defer(run, 'release|' .. address) end
  return spent, nil
end

-- Lets a cell that starts again go, or end, as its gate and its join say.
local function resume(run, address)
  local _, node = split(address)
  local program = programOf(run.hash, node)
  local join = joinOf(run, address, program)
  if not get(run, address) and join.dead then
    endAs(run, address, program, join.death)
  else
    evaluate(run, address, program)
  end
end

-- One step of a retry: `<hash of addresses>|<how many start again>|<of how many, with those that are discarded>|<position>|<edge>`.
-- Returns what it spent and the item that goes on, nil after the last.
local function restart(run, action, argument, budget)
  local key, count, total, position, edge = string.match(argument, '^([^|]*)|(%d+)|(%d+)|(%d+)|(%d+)$')
  count, total, position, edge = tonumber(count), tonumber(total), tonumber(position), tonumber(edge)
  local size = action == 'reset' and total or count
  local last = math.min(size, position + budget)
  local addresses = NONE
  if position < last then
    local fields = {}
    for i = position, last - 1 do fields[#fields + 1] = text(i) end
    addresses = redis.call('HMGET', key, unpack(fields))
  end
  local spent = 0
  local function item(name, from, at) return name .. '|' .. key .. '|' .. count .. '|' .. total .. '|' .. from .. '|' .. at end
  if action == 'resume' and last == size and total > 0 then unused[#unused + 1] = key end
  for i, address in ipairs(addresses) do
    if action == 'reset' then
      reset(run, address, position + i > count)
      spent = spent + 1
    elseif action == 'replay' then
      local used, rest = replay(run, address, edge, budget - spent)
      spent = spent + math.max(1, used)
      edge = rest or 0
      if rest or spent >= budget then
        local at = rest and position + i - 1 or position + i
        if rest or at < size then return spent, item('replay', at, edge) end
      end
    else
      resume(run, address)
      spent = spent + 1
      if run.state ~= 'R' then return spent, nil end
    end
  end
  if last < size then return spent, item(action, last, 0) end
  if action == 'reset' then return spent, item('replay', 0, 0) end
  if action == 'replay' then return spent, item('resume', 0, 0) end
  if run.open == 0 then finish(run) end
  return spent, nil
end

local function isRestarting(run)
  local item = nextWork(run)
  local action = item and string.match(item, '^(%a+)|')
  return action == 'reset' or action == 'replay' or action == 'resume'
end

-- Handles the deferred work of a run, at most `budget` edges and instances; what is left is saved with the run.
local function advance(run, budget)
  while budget > 0 and run.state == 'R' do
    local item = nextWork(run)
    if not item then break end
    local spent, rest
    local action, argument = string.match(item, '^(%a+)|(.*)$')
    if action == 'reset' or action == 'replay' or action == 'resume' then
      spent, rest = restart(run, action, argument, budget)
    elseif action == 'admit' then
      local releaser, from = string.match(argument, '^([%d%.]+)|(%d+)$')
      local position
      spent, position = admitKept(run, releaser, tonumber(from), budget)
      rest = position and 'admit|' .. releaser .. '|' .. text(position) or releaser .. '|0'
    elseif action == 'release' then
      local done
      spent, done = release(run, argument, budget)
      if not done then rest = item end
    elseif action == 'start' then
      -- The cells of the root that wait for nothing.
      local starters = bodiesOf(run.hash)[1].starters
      local from = tonumber(argument)
      spent = math.min(budget, #starters - from)
      for i = from + 1, from + spent do evaluate(run, text(starters[i]), programOf(run.hash, starters[i])) end
      if from + spent < #starters then rest = 'start|' .. from + spent end
    elseif action == 'close' then
      spent = 100
      local cursor = closeSlice(run, argument)
      if cursor ~= '0' then rest = 'close|' .. cursor end
    else
      local address, from = string.match(item, '^([%d%.]+)|?(%d*)$')
      if from == '' and hasKept(run, address) then
        spent, rest = 0, 'admit|' .. address .. '|0'
      else
        local edge
        spent, edge = propagate(run, address, tonumber(from) or 0, budget)
        if edge then rest = address .. '|' .. edge end
      end
    end
    if run.state ~= 'R' then break end
    budget = budget - math.max(1, spent)
    run.changed = true
    if rest then
      run.work[run.head] = rest
      run.rewritten = run.head
    else
      run.head = run.head + 1
    end
  end
  return budget
end
