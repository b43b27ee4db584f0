-- release: gives claims back untried, first in their queues. Without claims: all the worker holds, and the worker is forgotten.
--
-- KEYS[1] prefix of the partition
-- ARGV[1] worker  [2] edges at most  [3...] run \t address, nonce per claim
-- Reply 'ok'. Cost: 3 commands, 3 per claim.

export('release', function(argv)
  local worker, budget = argv[1], tonumber(argv[2])
  local holder = makeHolder(worker, prefix .. 'w:' .. worker)
  holder.alone = call('HGET', holder.key, '#alone')
  local wanted = {}
  for i = 3, #argv, 2 do wanted[argv[i]] = argv[i + 1] end
  local all, claims = allHeld(holder), {}
  for i = 1, #all, 2 do
    if #argv == 2 or wanted[all[i]] == all[i + 1].nonce then claims[#claims + 1] = { all[i], all[i + 1] } end
  end
  table.sort(claims, function(a, b) return isLater(a[2], b[2]) end)
  for _, claim in ipairs(claims) do
    local run, address, program = cellOf(claim[1])
    if run then
      giveBack(holder, run, address, program, claim[2], false, math.huge)
      budget = advance(run, budget)
    end
  end
  save()
  saveHolder(holder)
  if #argv == 2 then
    call('ZREM', prefix .. 'ws', worker)
    call('HDEL', prefix .. 'wi', worker)
    call('DEL', holder.key)
  end
  return 'ok'
end, { 'allow-oom' })
