-- staging.lua: keeps a chunk of a plan or of elements aside until the call that uses it; sent again, it changes nothing.
--
-- KEYS[1] prefix of the partition
-- ARGV[1] hash to fill, without prefix  [2] 1 when a sweep may remove it after a while  [3...] field, value, ...
-- Reply 'ok'. Cost: 2 commands.

local prefix = KEYS[1]
local key = prefix .. ARGV[1]
if ARGV[2] == '1' then
  local clock = redis.call('TIME')
  redis.call('ZADD', prefix .. 'g', clock[1] * 1000, key)
end
for i = 3, #ARGV, 1000 do redis.call('HSET', key, unpack(ARGV, i, math.min(i + 999, #ARGV))) end
return 'ok'
