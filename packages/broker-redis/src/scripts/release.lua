-- release: gives claims back untried, first in their queues. Without claims: what the worker holds, some per call, and once
-- that is all the worker is forgotten.
--
-- KEYS[1] prefix of the partition
-- ARGV[1] worker  [2] edges at most  [3...] run \t address, nonce per claim
-- Reply 1 when it holds more. Cost: 3 commands, 3 per claim.

-- What is given back by one call without claims.
local most = 100

-- Those of these claims that it holds.
local function claimed(holder, argv)
  local names, wanted, fields = { '#sequence' }, {}, {}
  for i = 3, #argv, 2 do
    names[#names + 1] = argv[i]
    wanted[argv[i]] = argv[i + 1]
  end
  for i, value in ipairs(callShared('HMGET', holder.key, unpack(names))) do
    if value then
      fields[#fields + 1] = names[i]
      fields[#fields + 1] = value
    end
  end
  local claims = {}
  for _, held in ipairs(deliveriesIn(fields)) do
    if wanted[held.field] == held.nonce then claims[#claims + 1] = held end
  end
  return claims
end

export('release', function(argv)
  local worker, budget = argv[1], numberOf(argv[2])
  local holder = makeHolder(worker, prefix .. 'w:' .. worker)
  holder.alone = call('HGET', holder.key, '#alone')
  local isLeaving = #argv == 2
  local claims = isLeaving and someHeld(holder, most) or claimed(holder, argv)
  for _, held in ipairs(claims) do
    local run, address, program = cellOf(held)
    if run then
      giveBack(holder, run, address, program, held)
      budget = advance(run, budget)
    else
      letGo(holder, held.field, held.nonce)
    end
  end
  -- What it gives back is for others.
  leaveQueues(worker)
  save()
  saveHolder(holder)
  if isLeaving and #claims == most then return 1 end
  if isLeaving then
    call('ZREM', prefix .. 'ws', worker)
    call('HDEL', prefix .. 'wi', worker)
    call('DEL', holder.key)
  end
  return 0
end, { 'allow-oom' })
