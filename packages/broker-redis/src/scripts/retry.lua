-- retry: opens the next generation of an ended run. Which cells start again is computed by the caller with the engine of
-- core from the run as it ended; an ended run changes only by a retry, so the generation says whether that still holds.
--
-- KEYS[1] prefix of the partition
-- ARGV[1] run  [2] generation the caller saw  [3] edges at most  [4] number of cells to start again
--     then their addresses, then the addresses of cells of discarded instances
-- Reply the new generation, or 'changed'. Cost: a few commands per cell.

export('retry', function(argv)
  local run = loadRun(argv[1])
  if not run or run.state == 'R' or run.generation ~= argv[2] then return 'changed' end
  local count = tonumber(argv[4])
  local addresses, reset = {}, {}
  for i = 5, 4 + count do
    addresses[#addresses + 1] = argv[i]
    reset[argv[i]] = true
  end

  run.generation = text[tonumber(run.generation) + 1]
  run.state = 'R'
  run.closing = '-'
  run.open = run.open + count
  run.endedAt = false
  touch(run)
  tell('RunStarted', run, tonumber(run.generation))
  local exit = '' .. bodiesOf(run)[1].exit
  if reset[exit] then run.decided = '-' else run.decided = outcomeOf(get(run, exit)) end

  local function clear(address)
    remove(run, address)
    remove(run, 'l' .. address)
  end
  for i = 5 + count, #argv do
    clear(argv[i])
    remove(run, 'e' .. argv[i])
  end
  for _, address in ipairs(addresses) do clear(address) end

  local function releaseOf(frame)
    local outer, collect = around(frame)
    return outer .. bodiesOf(run)[programOf(run, tonumber(collect)).l + 1].release
  end

  local function sourceOf(frame, program, edge)
    return edge[3] and visible(run, frame, program.b, edge[1]) or frame .. edge[1]
  end

  local function isKept(frame, edge, source)
    return not reset[source] and not (edge[3] and reset[releaseOf(frame)])
  end

  local function replayInstances(address, frame, program)
    local body = bodiesOf(run)[program.l + 1]
    local fork, releaser = frame .. body.fork, frame .. body.release
    if reset[fork] then
      remove(run, 'e' .. address)
      return
    end
    local expansion = expansionOf(run, address)
    if not expansion then
      local value = get(run, releaser)
      if reset[releaser] or not value or byte(value) ~= 83 then return end
      expansion = { total = countOf(get(run, fork)), released = 0 }
    end
    expansion.dropped = false
    expansion.ended = 0
    local join = joinOf(run, address, program)
    join.pending = expansion.total
    join.dirty = true
    for index = 0, expansion.released - 1 do
      local source = address .. '.' .. index .. '.' .. body.exit
      if not reset[source] then
        expansion.ended = expansion.ended + 1
        record(join, program, index, verdict(run, source, get(run, source), SUCCESS, program.c))
      end
    end
    saveExpansion(run, address, expansion)
    if not reset[releaser] then defer(run, 'release|' .. address) end
  end

  for _, address in ipairs(addresses) do
    local frame, node = split(address)
    local program = programOf(run, node)
    local edges = call('HGET', prefix .. 'p:' .. run.plan.hash, 'e' .. text[node])
    for position, edge in ipairs(edges and cjson.decode(edges) or {}) do
      local source = sourceOf(frame, program, edge)
      if isKept(frame, edge, source) then
        record(joinOf(run, address, program), program, position - 1, verdict(run, source, get(run, source), edge[2], program.c))
      end
    end
    if program.k == 'C' then replayInstances(address, frame, program) end
  end
  for _, address in ipairs(addresses) do
    local frame, node = split(address)
    local program = programOf(run, node)
    if not program.g then
      evaluate(run, address, program)
    else
      local source = sourceOf(frame, program, program.g)
      if isKept(frame, program.g, source) then
        resolve(run, address, program, -1, verdict(run, source, get(run, source), program.g[2], program.c))
      end
    end
  end
  if run.open == 0 and run.state == 'R' then finish(run) end
  advance(run, tonumber(argv[3]))
  save()
  return run.generation
end, { 'allow-oom' })
