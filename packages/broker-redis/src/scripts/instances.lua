-- instances.lua: the instances of a body, one per element: let in, counted, left.

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

local function open(run, frame, program)
  local body = bodiesOf(run)[program.r + 1]
  local collect = frame .. text[body.collect]
  if get(run, collect) then return end
  local collectProgram = programOf(run, body.collect)
  local expansion = expansionOf(run, collect)
  if expansion then
    for i = 0, expansion.released - 1 do admit(run, collect .. '.' .. text[i] .. '.', body) end
  else
    if isClosedFor(run, collectProgram) then return endCell(run, collect, collectProgram, 'X') end
    local total = countOf(get(run, frame .. text[body.fork]))
    saveExpansion(run, collect, { total = total, released = 0, ended = 0, dropped = false })
    local join = joinOf(run, collect, collectProgram)
    join.pending = total
    join.dirty = true
  end
  defer(run, 'release|' .. collect)
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
  local program = programOf(run, node)
  local body = bodiesOf(run)[program.l + 1]
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
    expansion = expansionOf(run, collect)
  end
  return spent, true
end

local function leave(run, frame, value, address)
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
