#!lua flags=allow-oom
-- register: makes a worker known, or says anew what it can run. What it holds stays.
--
-- KEYS[1] prefix of the partition
-- ARGV[1] worker  [2] lease, ms  [3] what it says of itself, JSON  [4...] its task keys
-- Reply 'ok'. Cost: 6 commands.

local prefix = KEYS[1]
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
redis.call('ZADD', prefix .. 'ws', now + tonumber(ARGV[2]), ARGV[1])
redis.call('HSET', prefix .. 'w:' .. ARGV[1], '#known', 1)
redis.call('HSET', prefix .. 'wi', ARGV[1], ARGV[3])
redis.call('DEL', prefix .. 'wt:' .. ARGV[1])
for i = 4, #ARGV, 1000 do redis.call('SADD', prefix .. 'wt:' .. ARGV[1], unpack(ARGV, i, math.min(i + 999, #ARGV))) end
return 'ok'
