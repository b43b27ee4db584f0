-- register: makes a worker known, or says anew what it can run. What it holds stays.
--
-- KEYS[1] prefix of the partition
-- ARGV[1] worker  [2] lease, ms  [3] what it says of itself, JSON  [4] its task keys, with a tab around each
-- Reply 'ok'. Cost: 4 commands, 1 per queue.

export('register', function(argv)
  call('ZADD', prefix .. 'ws', now + tonumber(argv[2]), argv[1])
  call('HSET', prefix .. 'w:' .. argv[1], '#known', argv[4])
  call('HSET', prefix .. 'wi', argv[1], argv[3])
  startWaiting(argv[1], cjson.decode(argv[3]).queues)
  return 'ok'
end, { 'allow-oom' })
