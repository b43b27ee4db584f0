-- release: gives claims back untried, first in their queues.
--
-- KEYS[1] prefix of the partition
-- ARGV[1] worker  [2] edges at most  [3...] run \t address, nonce per claim
-- Reply 'ok'. Cost: 3 commands, 3 per claim.
--
-- leave: the same with what the worker holds, some per call; once that is all the worker is forgotten.
--
-- ARGV[1] worker  [2] edges at most
-- Reply 1 when it may hold more, and is not forgotten. Cost: 6 commands, 3 per claim.

-- What is given back by one call of who leaves.
local most = 100

local function holderOf(worker)
  local holder = makeHolder(worker, prefix .. 'w:' .. worker)
  holder.alone = call('HGET', holder.key, '#alone')
  return holder
end

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

local function giveAllBack(holder, claims, budget)
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
  leaveQueues(holder.worker)
  save()
  saveHolder(holder)
end

export('release', function(argv)
  local holder = holderOf(argv[1])
  giveAllBack(holder, claimed(holder, argv), numberOf(argv[2]))
  return 'ok'
end, { 'allow-oom' })

export('leave', function(argv)
  local holder = holderOf(argv[1])
  local claims = someHeld(holder, most)
  giveAllBack(holder, claims, numberOf(argv[2]))
  if #claims == most then return 1 end
  call('ZREM', prefix .. 'ws', holder.worker)
  call('HDEL', prefix .. 'wi', holder.worker)
  call('DEL', holder.key)
  return 0
end, { 'allow-oom' })
