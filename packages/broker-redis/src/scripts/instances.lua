-- instances.lua: the instances of a body, one per element: let in, counted, left.

local open, hasKept, admitKept, release, leave

do

-- Resolves the edges that come from around an instance, and lets its cells go.
local function admit(run, frame, body)
  for node = body.first, body.first + body.count - 1 do
    local address = frame .. text[node]
    local program = programOf(run, node)
    if not get(run, address) then
      for _, edge in ipairs(program.a or NONE) do
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
open = function(run, frame, program, value)
  local body = bodiesOf(run)[program.r + 1]
  local collect = frame .. text[body.collect]
  local collectProgram = programOf(run, body.collect)
  local expansion = expansionOf(run, collect)
  if byte(value) ~= 83 or isEnd(get(run, collect)) then return end
  if not expansion then
    if isClosedFor(run, collectProgram) then return endCell(run, collect, collectProgram, 'X') end
    local total = countOf(get(run, frame .. text[body.fork]))
    saveExpansion(run, collect, { total = total, released = 0, ended = 0, dropped = false })
    local join = joinOf(run, collect, collectProgram)
    join.pending = total
    join.dirty = true
  end
  defer(run, 'release|' .. collect)
end

-- Whether the cell is a release whose instances a retry has kept.
hasKept = function(run, address)
  local frame, node = split(address)
  local program = programOf(run, node)
  return program.r and expansionOf(run, frame .. text[bodiesOf(run)[program.r + 1].collect]) and true
end

-- Instances that a retry kept wait for what they use from around them, which has ended, however the release did. Admits
-- those from position `from` on as the budget allows; returns what it spent and the next one's position, nil when all are.
admitKept = function(run, address, from, budget)
  local frame, node = split(address)
  local body = bodiesOf(run)[programOf(run, node).r + 1]
  local collect = frame .. text[body.collect]
  local expansion = expansionOf(run, collect)
  local spent = 0
  while expansion and from < expansion.released do
    if spent >= budget then return spent, from end
    admit(run, collect .. '.' .. text[from] .. '.', body)
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
release = function(run, collect, budget)
  local frame, node = split(collect)
  local program = programOf(run, node)
  local body = bodiesOf(run)[program.l + 1]
  -- After a retry an instance that was kept may end before the release has: then it is the release that goes on.
  local releaser = get(run, frame .. text[body.release])
  if not releaser or byte(releaser) ~= 83 then return 0, true end
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
    admit(run, collect .. '.' .. text[index] .. '.', body)
    spent = spent + body.count
  end
  return spent, true
end

leave = function(run, frame, value, address)
  local outer, collectNode, index = around(frame)
  local collect = outer .. collectNode
  local program = programOf(run, tonumber(collectNode))
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

end
