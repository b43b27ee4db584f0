#!lua flags=allow-oom
-- beat: keeps a worker's lease, and asks nothing: it comes from beside the worker's loop, where nobody knows what it holds.
--
-- KEYS[1] prefix of the partition
-- ARGV[1] worker  [2] lease, ms
-- Reply 1; 0 when the store does not know the worker (any more), which only `register` changes.
-- Cost: 3 commands.

local leases = KEYS[1] .. 'ws'
if not redis.call('ZSCORE', leases, ARGV[1]) then return 0 end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
redis.call('ZADD', leases, now + tonumber(ARGV[2]), ARGV[1])
return 1
