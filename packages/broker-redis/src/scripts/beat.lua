-- beat: keeps a worker's lease, and asks nothing: it comes from beside the worker's loop, where nobody knows what it holds.
--
-- KEYS[1] prefix of the partition
-- ARGV[1] worker  [2] lease, ms
-- Reply 1; 0 when the store does not know the worker (any more), which only `register` changes.
-- Cost: 3 commands.

export('beat', function(argv)
  local leases = prefix .. 'ws'
  if not call('ZSCORE', leases, argv[1]) then return 0 end
  call('ZADD', leases, now + tonumber(argv[2]), argv[1])
  return 1
end, { 'allow-oom' })
