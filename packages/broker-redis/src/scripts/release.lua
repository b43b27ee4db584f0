#!lua flags=allow-oom
-- release: gives claims back untried, first in their queues. Without claims: all the worker holds, and the worker is forgotten.
--
-- KEYS[1] prefix of the partition
-- ARGV[1] worker  [2] edges at most  [3...] run, address, nonce per claim
-- Reply 'ok'. Cost: 3 commands, 3 per claim.

-- include run.lua
-- include kernel.lua
-- include hold.lua

local worker = ARGV[1]
local holder = { worker = worker, key = prefix .. 'w:' .. worker, held = {}, gone = {}, alone = redis.call('HGET', prefix .. 'w:' .. worker, '#alone') }
local wanted = {}
for i = 3, #ARGV, 3 do wanted[ARGV[i] .. '\t' .. ARGV[i + 1]] = ARGV[i + 2] end
local budget = tonumber(ARGV[2])
local fields = redis.call('HGETALL', holder.key)
local claims = {}
for i = 1, #fields, 2 do
  local field = fields[i]
  if string.sub(field, 1, 1) ~= '#' then
    local held = parseHeld(fields[i + 1])
    if #ARGV == 2 or wanted[field] == held.nonce then claims[#claims + 1] = { field, held } end
  end
end
table.sort(claims, function(a, b) return isLater(a[2], b[2]) end)
for _, claim in ipairs(claims) do
  local id, address = string.match(claim[1], '^([^\t]*)\t(.*)$')
  local run = loadRun(id)
  if run then
    local _, node = split(address)
    giveBack(holder, run, address, programOf(run.hash, node), claim[2], false, math.huge)
    budget = advance(run, budget)
  end
end
save()
saveHolder(holder, nil, {}, {})
if #ARGV == 2 then
  redis.call('ZREM', prefix .. 'ws', worker)
  redis.call('HDEL', prefix .. 'wi', worker)
  redis.call('DEL', holder.key, prefix .. 'wt:' .. worker)
end
return 'ok'
