-- retry: opens the next generation of an ended run. Which cells start again is computed by the caller with the engine of
-- core from the run as it ended; an ended run changes only by a retry, so the generation says whether that still holds.
-- Their addresses are staged; they are reset, told what is kept around them, and let go in slices, as work of the run that
-- stands before all other: the caller calls until it is done, and a sweep goes on where a caller is gone.
--
-- KEYS[1] prefix of the partition
-- ARGV[1] run  [2] generation the caller saw  [3] edges at most  [4] a token of the caller's, by which a call sent again or going on is known
--     [5] name of the staged hash: position -> address, first of the cells that start again, then of those that are discarded
--     [6] number of cells that start again  [7] number of all  [8] 1 when the exit of the run is among them
-- Reply { the new generation, or 'changed', 'unstaged' or 'damaged'; 1 when there is more to do before the run goes on }
-- Cost: a few commands per cell and edge, so many at most as one call may handle.

export('retry', function(argv)
  local budget, name, count, total = numberOf(argv[3]), argv[5], numberOf(argv[6]), argv[7]
  local run = loadRun(argv[1])
  if not run then return { damaged[argv[1]] and 'damaged' or 'changed', 0 } end
  local begins = get(run, 'y') ~= argv[4]
  if begins then
    if run.state == 'R' or run.generation ~= argv[2] then return { 'changed', 0 } end
    if total ~= '0' and call('EXISTS', name) == 0 then return { 'unstaged', 0 } end
    run.generation = text[tonumber(run.generation) + 1]
    run.state = 'R'
    run.closing = '-'
    run.open = run.open + count
    run.endedAt = false
    run.decided = argv[8] == '1' and '-' or outcomeOf(get(run, text[bodiesOf(run)[1].exit]))
    put(run, 'y', argv[4])
    tell('RunStarted', run, tonumber(run.generation))
    defer(run, 'reset|' .. name .. '|' .. text[count] .. '|' .. total .. '|0|0')
  end
  advance(run, budget)
  local more = run.state == 'R' and isRestarting(run) and 1 or 0
  save()
  -- In use now, however long that takes.
  if begins then call('ZREM', prefix .. 'g', name) end
  return { run.generation, more }
end, { 'allow-oom' })
