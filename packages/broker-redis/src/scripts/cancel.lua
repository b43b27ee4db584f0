-- cancel: once it has answered, no delivery of the run is granted but of cleanup nodes.
--
-- KEYS[1] prefix of the partition
-- ARGV[1] run  [2] edges at most
-- Reply 'cancelled', 'ended' or 'unknown'. Cost: 3 commands, and what ends in this slice.

export('cancel', function(argv)
  local budget = numberOf(argv[2])
  local run = loadRun(argv[1])
  if not run then return 'unknown' end
  if run.state ~= 'R' then return 'ended' end
  if run.closing ~= 'C' then
    close(run, 'C')
    if get(run, 'w') then
      remove(run, 'w')
      defer(run, 'start|0')
    end
    advance(run, budget)
  end
  save()
  return 'cancelled'
end, { 'allow-oom' })
