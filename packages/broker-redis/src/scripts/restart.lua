-- restart.lua: the next generation of a run, in slices. The rules are those of core's engine/retry.ts, which also says which
-- cells start again. In a run that had ended, each cell has ended: a cell without a field is one that starts again, until
-- the first of them is let go (`resume`).

local restart, isRestarting

do

local function sourceOf(run, frame, program, edge)
  return edge[3] and visible(run, frame, program.b, edge[1]) or frame .. text[edge[1]]
end

local function releaseOf(run, frame)
  local outer, collect = around(frame)
  return outer .. text[bodiesOf(run)[programOf(run, tonumber(collect)).l + 1].release]
end

-- An edge from around an instance whose release starts again is resolved by that release, like a new instance's.
local function isKept(run, frame, edge, source)
  return get(run, source) and not (edge[3] and not get(run, releaseOf(run, frame)))
end

-- Blocked again, or gone with its instance. A fork keeps its elements: what decided them may not run again.
local function reset(run, address, isDiscarded)
  remove(run, address)
  remove(run, 'l' .. address)
  remove(run, 'j' .. address)
  if isDiscarded then removeExpansion(run, address) end
end

-- What a collect that starts again knows of its instances before it has looked at them; nil when it has none.
local function renewExpansion(run, address, frame, body)
  local fork, releaser = frame .. text[body.fork], frame .. text[body.release]
  if not get(run, fork) then
    removeExpansion(run, address)
    return nil
  end
  local expansion = expansionOf(run, address)
  if not expansion then
    local value = get(run, releaser)
    if not value or byte(value) ~= 83 then return nil end
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
  local program = programOf(run, node)
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
  local last = min(program.n, from + budget)
  if from < program.n and not join.dead then
    local edges = listOf(run.plan, 'e' .. text[node])
    for position = from + 1, last do
      local edge = edges[position]
      local source = sourceOf(run, frame, program, edge)
      if isKept(run, frame, edge, source) then
        record(join, program, position - 1, verdict(run, source, get(run, source), edge[2], program.c))
      end
    end
  end
  if last < program.n then return last - from, last end
  local spent = max(0, last - from)
  if program.k ~= 'C' then return spent, nil end
  local body = bodiesOf(run)[program.l + 1]
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
  local index = max(0, from - program.n)
  while index < expansion.released and spent < budget do
    local source = address .. '.' .. text[index] .. '.' .. text[body.exit]
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
  if get(run, frame .. text[body.release]) then defer(run, 'release|' .. address) end
  return spent, nil
end

-- Lets a cell that starts again go, or end, as its gate and its join say.
local function resume(run, address)
  local _, node = split(address)
  local program = programOf(run, node)
  local join = joinOf(run, address, program)
  if not get(run, address) and join.dead then
    endAs(run, address, program, join.death)
  else
    evaluate(run, address, program)
  end
end

-- One step of a retry: `<hash of addresses>|<how many start again>|<of how many, with those that are discarded>|<position>|<edge>`.
-- Returns what it spent and the item that goes on, nil after the last.
restart = function(run, action, argument, budget)
  local key, count, total, position, edge = match(argument, '^([^|]*)|(%d+)|(%d+)|(%d+)|(%d+)$')
  count, total, position, edge = tonumber(count), tonumber(total), tonumber(position), tonumber(edge)
  local size = action == 'reset' and total or count
  local last = min(size, position + budget)
  local addresses = NONE
  if position < last then
    local fields = {}
    for i = position, last - 1 do fields[#fields + 1] = text[i] end
    addresses = call('HMGET', key, unpack(fields))
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
      spent = spent + max(1, used)
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

isRestarting = function(run)
  local item = nextWork(run)
  local action = item and match(item, '^(%a+)|')
  return action == 'reset' or action == 'replay' or action == 'resume'
end

end
