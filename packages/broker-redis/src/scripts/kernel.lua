-- kernel.lua: how a node becomes ready, and how a run ends. The same machine as core's engine/advance.ts, rule by rule and
-- in the same order; read that file's header first. Here cells are addresses and a run is what run.lua loaded.
--
-- A program (a node of the plan as the kernel needs it, JSON under p:<hash>) has
--   k kind (T task, D decide, F fork, P pass, C collect), j join (a all, o any, s settled), b body, n number of join edges,
--   g gate as {source, condition, captured}, a join edges from around the body as {source, condition, edge},
--   o outgoing edges as {target, condition, edge less the own number (false the gate)}; where they are many, q is how many,
--   i the own number, and they are a list of their own (see plan.lua),
--   c cleanup, t task, w queue, y priority, x policy (where it has delay, expires or retries), m nodes its input needs,
--   u whether it needs the run's input, r body it releases, l body it collects, z body whose instance it ends,
--   d forks it decides.
-- A condition is 0 (success), 1 (settled), {b = branch} or {f = 'any' | 'declared' | {tag, ...}}.

local SUCCESS, SETTLED = 0, 1

-- What the end of a source does to an edge: 'fire', 'void', 'cancelled', or the address of the failed cell.
local function verdict(run, address, value, when, cleanup)
  local first = byte(value)
  if first == 83 then -- S
    if when == SUCCESS or when == SETTLED then return 'fire' end
    if not when.b then return 'void' end
    -- The number of a pass is the edge that fired, and no branch.
    local _, node = split(address)
    local count = programOf(run, node).k == 'P' and 0 or countOf(value)
    return when.b == count and 'fire' or 'void'
  elseif first == 70 or first == 75 then -- F, K
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
  elseif first == 88 then -- X
    return when == SETTLED and cleanup and 'fire' or 'cancelled'
  end
  if first ~= 86 then unreadable('node ' .. address) end -- V
  return 'void'
end

-- A node with one edge and no gate waits for nothing between: it has no join in the store, but after a retry, which may
-- have resolved that edge calls ago.
local function hasJoin(run, program) return program.joins or run.generation ~= '1' end

local function joinOf(run, address, program)
  if not run.joins then run.joins = {} end
  local join = run.joins[address]
  if join then return join end
  local stored = hasJoin(run, program) and get(run, 'j' .. address)
  if stored then
    local pending, gated, from, voids, cancels, death, deathEdge = match(stored, '^(%-?%d+),(%d),(%-?%d+),(%d+),(%d+),([^,]*),(%-?%d+)$')
    if not pending then unreadable('the join of node ' .. address) end
    join = {
      pending = tonumber(pending), gated = gated ~= '0', dead = gated == '2', from = tonumber(from), voids = tonumber(voids), cancels = tonumber(cancels),
      death = death ~= '-' and death or nil, deathEdge = tonumber(deathEdge), stored = true, dirty = false, over = false
    }
  else
    join = {
      pending = program.n, gated = program.g ~= nil, dead = false, from = -1, voids = 0, cancels = 0, death = nil, deathEdge = -1, stored = false,
      dirty = false, over = false
    }
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

-- The instances of a collect, one table per run and call: who changes it says so by saveExpansion.
local function expansionOf(run, address)
  if not run.expansions then run.expansions = {} end
  local expansion = run.expansions[address]
  if expansion == nil then
    local stored = get(run, 'e' .. address)
    expansion = false
    if stored then
      local total, released, over, dropped = match(stored, '^(%d+),(%d+),(%d+),(%d)$')
      if not total then unreadable('the instances of node ' .. address) end
      expansion = { total = tonumber(total), released = tonumber(released), ended = tonumber(over), dropped = dropped == '1' }
    end
    run.expansions[address] = expansion
  end
  return expansion
end

local function saveExpansion(run, address, expansion)
  if not run.expansions then run.expansions = {} end
  run.expansions[address] = expansion
  expansion.dirty = true
  touch(run)
end

local function removeExpansion(run, address)
  if not run.expansions then run.expansions = {} end
  run.expansions[address] = false
  remove(run, 'e' .. address)
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

-- ---- queues ----------------------------------------------------------------------------------------------------------

-- A queue entry: i when the input is needed or -, run, \t address, and unless it is the first of the first generation
-- \t tries \t lost \t generation; for a suspect \t since. Where nothing follows it, the address 0 is left out: most runs
-- have no other.
local function entryOf(run, address, program, tries, lost)
  local need = program.u and 'i' or '-'
  if tries == 0 and lost == 0 and run.generation == '1' then
    return address == '0' and need .. run.id or need .. run.id .. '\t' .. address
  end
  return need .. run.id .. '\t' .. address .. '\t' .. text[tries] .. '\t' .. text[lost] .. '\t' .. run.generation
end

-- What is appended to a list by this call.
local function appendedTo(list, queue)
  local entries = pushes[list]
  if not entries then
    entries = { queue = queue }
    pushes[list] = entries
  end
  return entries
end

local openQueue

do

local function useBand(queue, band)
  local known = flag('b:' .. queue) or ''
  if find(known, band, 1, true) then return end
  local digits = { band }
  for digit in string.gmatch(known, '.') do digits[#digits + 1] = digit end
  table.sort(digits)
  setFlag('b:' .. queue, concat(digits))
end

openQueue = function(program)
  local queue = program.w
  useBand(queue, program.y)
  local entries = appendedTo(prefix .. 'q:' .. queue .. ':' .. program.y, queue)
  queueOf[program] = entries
  return entries
end

end

local function suspectsOf(program)
  setFlag('s:' .. program.w, '1')
  return appendedTo(prefix .. 's:' .. program.w, program.w)
end

-- What is due at one time is so in the order it was set: the number says which came first of one call.
local function setTimer(run, due, kind, address, said)
  timers[#timers + 1] = due
  timers[#timers + 1] = text[10000 + #timers] .. kind .. '\t' .. run.id .. '\t' .. address .. '\t' .. said .. '\t' .. run.generation
end

-- Ready, or with a worker. Where the wait may expire the field says when, so that no timer of an earlier wait ends it.
local function putReady(run, address, program, tries, lost, ms)
  local expires = program.x and program.x.expires
  if expires then
    local due = string.format('%.0f', now + expires)
    put(run, address, 'r' .. text[tries] .. ',' .. text[ms] .. ',' .. text[lost] .. ',' .. due)
    setTimer(run, now + expires, 'x', address, due)
  else
    put(run, address, (tries > 0 or lost > 0) and 'r' .. text[tries] .. ',' .. text[ms] .. ',' .. text[lost] or 'r')
  end
end

local function push(run, address, program, tries, ms)
  local entries = queueOf[program] or openQueue(program)
  entries[#entries + 1] = entryOf(run, address, program, tries, 0)
  putReady(run, address, program, tries, 0, ms)
end

local function schedule(run, address, due, tries, nonce, ms)
  put(run, address, 's' .. string.format('%.0f', due) .. '|' .. text[tries] .. '|' .. nonce .. '|' .. text[ms])
  setTimer(run, due, 's', address, text[tries])
end

-- ---- ends ------------------------------------------------------------------------------------------------------------

local close -- below; ending the exit may close the run

local function outcomeOf(value)
  local first = byte(value)
  if first == 83 then return 'S' end -- S
  return (first == 70 or first == 75) and 'F' or 'X' -- F, K
end

local function finish(run)
  run.state = run.decided
  if run.work then
    run.work = false
    run.head = 1
  end
  run.endedAt = shortTime()
  if watched ~= false then tell('RunEnded', run, run.state) end
  noteEnd(run.id, run.generation, run.state, run.exit)
end

-- Ends a cell; what that allows is left to the caller.
local function recordEnd(run, address, program, value)
  put(run, address, value)
  local join = run.joins and run.joins[address]
  if join then
    join.over = true
    join.dirty = true
  end
  run.open = run.open - 1
  if watched ~= false then tell('NodeEnded', run, address, sub(value, 1, 1)) end
end

-- Where it was the exit, the run is decided; where it was the last, over.
local function noteLast(run, program, value)
  if program.z == 0 then
    run.decided = run.closing == 'C' and 'X' or outcomeOf(value)
    if program.k == 'T' then run.exit = value end
    if watched ~= false then tell('RunDecided', run, run.decided) end
    if run.decided == 'F' and run.onFailure == 'C' then close(run, 'F') end
  end
  if run.open == 0 then finish(run) end
end

local function endCell(run, address, program, value)
  recordEnd(run, address, program, value)
  if program.e then defer(run, address) end
  noteLast(run, program, value)
end

-- No node starts any more but cleanup. What is ready or scheduled is ended in slices, as work of the run (`closeSlice`), so
-- that closing costs the same for every size of run; claims look at the flag meanwhile.
close = function(run, reason)
  if run.closing == 'C' or run.closing == reason then return end
  run.closing = reason
  closing[#closing + 1] = run
  if reason == 'C' then tell('RunCancelling', run) end
  if closingLate then closingLate[#closingLate + 1] = run else defer(run, 'close|0') end
end

-- `from` is the edge that fired, -1 where none did.
local function go(run, address, program, from)
  -- What nearly every node is: as `push` does it, which looks at more.
  if program.isPlain and run.closing == '-' then
    local entries = queueOf[program] or openQueue(program)
    entries[#entries + 1] = entryOf(run, address, program, 0, 0)
    return put(run, address, 'r')
  end
  local kind = program.k
  if kind == 'T' or kind == 'D' then
    if isClosedFor(run, program) then endCell(run, address, program, 'X')
    elseif program.x and program.x.delay > 0 then
      schedule(run, address, now + program.x.delay, 0, '', 0)
    else
      push(run, address, program, 0, 0)
    end
  elseif kind == 'F' then
    endCell(run, address, program, 'S' .. (get(run, 'n' .. address) or '0') .. '|0||')
  elseif kind == 'C' then
    local expansion = expansionOf(run, address)
    endCell(run, address, program, 'S' .. text[expansion and expansion.total or 0] .. '|0||')
  else
    endCell(run, address, program, 'S' .. text[from] .. '|0||')
  end
end

local function endAs(run, address, program, said)
  if said == 'void' then endCell(run, address, program, 'V')
  elseif said == 'cancelled' then endCell(run, address, program, 'X')
  else endCell(run, address, program, 'K' .. said) end
end

-- Lets a blocked node go, or ends it, if its join says so.
local function act(run, address, program, join)
  if join.gated then return end
  local decision = decide(run, address, program, join)
  if decision == 'wait' then return end
  if decision == 'go' then
    go(run, address, program, join.from)
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

-- Acts on what its join says, unless it has left `blocked`.
local function evaluate(run, address, program)
  if get(run, address) then return end
  act(run, address, program, joinOf(run, address, program))
end

-- An edge into a blocked node is resolved; a negative one is its gate.
local function resolve(run, address, program, edge, said)
  if said == 'fire' and edge >= 0 and not hasJoin(run, program) then return go(run, address, program, edge) end
  local join = joinOf(run, address, program)
  if edge >= 0 then
    record(join, program, edge, said)
  elseif said == 'fire' then
    join.gated = false
    join.dirty = true
  else
    return endAs(run, address, program, said)
  end
  act(run, address, program, join)
end
