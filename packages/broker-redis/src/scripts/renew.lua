-- renew: extends a worker's lease, and reconciles what it holds with what the store thinks it holds.
--
-- KEYS[1] prefix of the partition
-- ARGV[1] worker  [2] lease, ms  [3] in how many parts what it holds is compared  [4] the part of this call, from 0 on
--     [5...] the nonces of that part: all of them, so no claim of its may be under way
-- Reply { known 0/1, nonces it holds and the store does not know, nonces to interrupt }
-- Cost: 2 commands, 1 per bucket and per other run among what it holds.

export('renew', function(argv)
  local worker, lease, parts, part = argv[1], numberOf(argv[2]), numberOf(argv[3]), numberOf(argv[4])
  if not call('ZSCORE', prefix .. 'ws', worker) then return { 0, {}, {} } end
  local says = {}
  for i = 5, #argv do says[argv[i]] = true end

  local holder = makeHolder(worker, prefix .. 'w:' .. worker)
  holder.alone = call('HGET', holder.key, '#alone')
  local interrupt = {}
  for _, held in ipairs(questionable(partOf(holder, parts, part), says)) do
    local run, address, program = cellOf(held)
    if not run then
      letGo(holder, held.field, held.nonce)
    elseif not says[held.nonce] then
      -- A claim whose answer never arrived: the worker lives and knows nothing of it.
      giveBack(holder, run, address, program, held)
    elseif isClosedFor(run, program) then
      interrupt[#interrupt + 1] = held.nonce
    end
    if run then says[held.nonce] = nil end
  end
  local lost = {}
  for i = 5, #argv do
    if says[argv[i]] then lost[#lost + 1] = argv[i] end
  end
  save()
  call('ZADD', prefix .. 'ws', now + lease, worker)
  saveHolder(holder)
  return { 1, lost, interrupt }
end, { 'allow-oom' })
