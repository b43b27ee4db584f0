-- renew: extends a worker's lease, and reconciles what it holds with what the store thinks it holds.
--
-- KEYS[1] prefix of the partition
-- ARGV[1] worker  [2] lease, ms  [3] in how many parts what it holds is compared  [4] the part of this call, from 0 on
--     [5...] the nonces of that part: all of them, so no claim of its may be under way
-- Reply { known 0/1, nonces it holds and the store does not know, nonces to interrupt }
-- Cost: 2 commands, 1 per bucket and per other run among what it holds.

-- Of so many parts of its deliveries this one, from 0 on; which one is of it says a character of the nonce: see Partition.ts.
local function partOf(holder, parts, part)
  local fields = callShared('HGETALL', holder.key)
  if parts == 1 then return fields end
  local some = {}
  for i = 1, #fields, 2 do
    local nonce = match(fields[i + 1], ',([^,]*),', 14) or ''
    if not find(fields[i], '\t', 1, true) or (byte(nonce, 16) or 0) % parts == part then
      some[#some + 1] = fields[i]
      some[#some + 1] = fields[i + 1]
    end
  end
  return some
end

-- These of its deliveries but for those of runs that are in buckets and not closing, which is nearly all of who holds many: these
-- need no look. `says` are the nonces that the worker says it holds: what is not among them needs one all the same, and what
-- needs none is taken out of it.
local function questionable(fields, says)
  local ids, addresses, rest = {}, {}, {}
  for i = 1, #fields, 2 do
    local id, address = match(fields[i], '^([^\t]*)\t(.*)$')
    ids[#ids + 1], addresses[#addresses + 1] = id or '', address or ''
  end
  loadPacked(ids, addresses)
  for i = 1, #ids do
    local id, value = ids[i], fields[2 * i]
    local isOpen = addresses[i] == '0' and runs[id] == nil and raw[id] and sub(raw[id], 1, 2) == 'R-'
    local nonce = isOpen and match(value, ',([^,]*),', 14)
    if nonce and says[nonce] then
      says[nonce] = nil
    else
      rest[#rest + 1] = fields[2 * i - 1]
      rest[#rest + 1] = value
    end
  end
  return deliveriesIn(rest)
end

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
