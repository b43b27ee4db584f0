-- stage: keeps a chunk of a plan or of elements aside until the call that uses it; sent again, it changes nothing, and a
--   sweep removes after a while what nobody used. For a submission; refused when memory is full.
-- stageOutcome: the same for a report, so that a run with a large fan-out goes on when memory is full.
--
-- KEYS[1] prefix of the partition
-- ARGV[1] hash to fill, without prefix  [2...] field, value, ...
-- Reply 'ok'. Cost: 2 commands.

local function keepAside(argv)
  local key = prefix .. argv[1]
  call('ZADD', prefix .. 'g', nowText, key)
  for i = 2, #argv, 1000 do call('HSET', key, unpack(argv, i, min(i + 999, #argv))) end
  return 'ok'
end

export('stage', keepAside, {})
export('stageOutcome', keepAside, { 'allow-oom' })
