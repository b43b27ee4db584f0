#!lua flags=allow-oom
-- renew: extends a worker's lease, and reconciles what it holds with what the store thinks it holds.
--
-- KEYS[1] prefix of the partition
-- ARGV[1] worker  [2] lease, ms  [3...] the nonces it holds: all of them, so no claim of its may be under way
-- Reply { known 0/1, nonces it holds and the store does not know, nonces to interrupt }
-- Cost: 2 commands, 1 per run among what it holds.

-- include run.lua
-- include kernel.lua
-- include hold.lua

local worker = ARGV[1]
if not redis.call('ZSCORE', prefix .. 'ws', worker) then return { 0, {}, {} } end
redis.call('ZADD', prefix .. 'ws', now + tonumber(ARGV[2]), worker)
local says = {}
for i = 3, #ARGV do says[ARGV[i]] = true end

local holder = { worker = worker, key = prefix .. 'w:' .. worker, held = {}, gone = {} }
local interrupt, forgotten = {}, {}
local fields = redis.call('HGETALL', holder.key)
for i = 1, #fields, 2 do
  if fields[i] == '#alone' then
    holder.alone = fields[i + 1]
  elseif string.sub(fields[i], 1, 1) ~= '#' then
    local held = parseHeld(fields[i + 1])
    local id, address = string.match(fields[i], '^([^\t]*)\t(.*)$')
    local run = loadRun(id)
    local _, node = split(address)
    if run and not says[held.nonce] then
      forgotten[#forgotten + 1] = { run, address, programOf(run.hash, node), held }
    elseif run and isClosedFor(run, programOf(run.hash, node)) then
      interrupt[#interrupt + 1] = held.nonce
    end
    says[held.nonce] = nil
  end
end
-- A claim whose answer never arrived: the worker lives and knows nothing of it.
table.sort(forgotten, function(a, b) return isLater(a[4], b[4]) end)
for _, claim in ipairs(forgotten) do giveBack(holder, claim[1], claim[2], claim[3], claim[4], false, math.huge) end
local lost = {}
for i = 3, #ARGV do
  if says[ARGV[i]] then lost[#lost + 1] = ARGV[i] end
end
save()
saveHolder(holder, nil, {}, {})
return { 1, lost, interrupt }
