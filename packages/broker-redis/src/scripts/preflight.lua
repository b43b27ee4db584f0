-- preflight: what a process asks of a store before it uses it: the layout of its data, its clock, and what this user may
-- not do. A new store gets the layout of this process; nothing else is written, because every probe is a call without effect.
--
-- KEYS[1] prefix of the partition
-- ARGV[1] layout of this process  [2] probes: calls as arrays of strings, JSON
-- Reply { layout of the store; '' when it may not be read, '?' when it is none; seconds, microseconds, command refused, the error, ... }
-- Cost: one command per probe and 4 more.

-- Told to a script, Redis 7.0 says it in one way, later versions and Valkey in another; NOPERM is for who is no script.
local function isRefusal(reply)
  if type(reply) ~= 'table' or not reply.err then return false end
  for _, words in ipairs({ 'NOPERM', 'ACL failure in script', 'The user executing the script' }) do
    if find(reply.err, words, 1, true) then return true end
  end
  return false
end

-- Without `begin`, which asks for the time.
register('preflight', function(prefix, argv)
  local refused = {}
  local function try(...)
    local reply = redis.pcall(...)
    if not isRefusal(reply) then return reply end
    refused[#refused + 1] = (...)
    refused[#refused + 1] = reply.err
  end
  local clock = try('TIME') or { '', '' }
  local key = prefix .. 'schema'
  local found = try('GET', key)
  if found == false then found = try('SET', key, argv[1]) and argv[1] end
  -- Probes are harmless where the key is a string. It is none when somebody else made it, or nobody may.
  if type(found) == 'string' then
    for _, probe in ipairs(cjson.decode(argv[2])) do try(unpack(probe)) end
  end
  -- No function may call it; whether its user might can be asked. If it is for the channel, PUBLISH has said so.
  if not redis.acl_check_cmd('SUBSCRIBE', key) then
    local why = refused[#refused - 1] == 'PUBLISH' and refused[#refused] or 'NOPERM'
    refused[#refused + 1] = 'SUBSCRIBE'
    refused[#refused + 1] = why
  end
  local layout = type(found) == 'table' and '?' or found or ''
  return { layout, clock[1], clock[2], unpack(refused) }
end, { 'allow-oom' })
