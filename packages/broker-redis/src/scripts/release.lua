-- release: gives claims back untried, first in their queues. Without claims: all the worker holds, and the worker is forgotten.
--
-- KEYS[1] prefix of the partition
-- ARGV[1] worker  [2] edges at most  [3...] run \t address, nonce per claim
-- Reply 'ok'. Cost: 3 commands, 3 per claim.

export('release', function(argv)
  local worker, budget = argv[1], numberOf(argv[2])
  local holder = makeHolder(worker, prefix .. 'w:' .. worker)
  holder.alone = call('HGET', holder.key, '#alone')
  local wanted = {}
  for i = 3, #argv, 2 do wanted[argv[i]] = argv[i + 1] end
  for _, held in ipairs(allHeld(holder)) do
    if #argv == 2 or wanted[held.field] == held.nonce then
      local run, address, program = cellOf(held)
      if run then
        giveBack(holder, run, address, program, held)
        budget = advance(run, budget)
      else
        letGo(holder, held.field, held.nonce)
      end
    end
  end
  -- What it gives back is for others.
  leaveQueues(worker)
  save()
  saveHolder(holder)
  if #argv == 2 then
    call('ZREM', prefix .. 'ws', worker)
    call('HDEL', prefix .. 'wi', worker)
    call('DEL', holder.key)
  end
  return 'ok'
end, { 'allow-oom' })
