-- stopWaiting: a worker asks for no more work: it is told of none.
--
-- KEYS[1] prefix of the partition
-- ARGV the worker
-- Reply 'ok'. Cost: 1 command, 1 per queue.
--
-- passOn: a worker was told that there is something, and has no room for it: of those that wait another one is told.
--
-- ARGV the queues
-- Reply 'ok'. Cost: 1 command, 1 per queue.

export('stopWaiting', function(argv)
  leaveQueues(argv[1])
  return 'ok'
end, { 'allow-oom' })

export('passOn', function(argv)
  for _, queue in ipairs(argv) do woken[queue] = 0 end
  save()
  return 'ok'
end, { 'allow-oom' })
