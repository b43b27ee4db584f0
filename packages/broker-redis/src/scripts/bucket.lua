-- bucket.lua: runs of one node, many to a key. A key and a hash of its own would cost such a run more memory than what it has
-- to say, and Redis more time than its work.
--
--   b:<beginning of the ids>   hash: the rest of an id -> <head>\n<time of submission, 8 characters><cell><input>
--     head: state, closing, decided, on failure, plan; and unless the cell is r, comma, bytes of the cell, comma, time of end (base 36)
--
-- A run stays in its bucket while there is no more to say of it, and that is little; then it moves to a hash of its own
-- (see run.lua) and stays there. The bucket is looked at first, and for nothing but the cell 0.
--
-- What nearly every such run is, ready for the first time and then succeeded, has a way of its own through submit, claim and
-- settle: no more is made of it than texts. Whatever else comes is left to the kernel.

-- Bytes of an input, or of a cell.
local mostPacked = 512

local bucketOf, loadPacked, freshOf, parsePacked, putPacked, succeedPacked, isPackable, pack, moveOut, dropPacked

do

-- ULIDs begin with the time: those of a second share a bucket. Of other ids, those that differ in the end. The cut is between
-- two characters.
local isTime
bucketOf = function(id)
  if #id == 26 then
    isTime = isTime or remember(50, function(beginning) return find(beginning, '^[0-7][%u%d]*$') ~= nil end)
    local beginning = sub(id, 1, 8)
    if isTime[beginning] then return beginning, sub(id, 9) end
  end
  local cut = max(0, #id - 3)
  while cut > 0 and find(id, '^[\128-\191]', cut + 1) do cut = cut - 1 end
  return sub(id, 1, cut), sub(id, cut + 1)
end

-- ---- reading ---------------------------------------------------------------------------------------------------------

-- What is of another type has no runs.
local function readBucket(bucket, fields)
  local values = redis.pcall('HMGET', prefix .. 'b:' .. bucket, unpack(fields))
  if not values.err then return values end
  if not isOfType(values) then raise(values) end
  return NONE
end

-- Reads what buckets say of these runs (false is none), before it is asked for one by one. Of those of which these cells are
-- asked for, only where it is 0, and next to it no other: a run of one node has no more.
loadPacked = function(ids, addresses)
  local wanted = {}
  for i = 1, #ids do
    local id = ids[i]
    if (not addresses or addresses[i] == '0' and not (
      ids[i + 1] == id and addresses[i + 1] ~= '0' or ids[i - 1] == id and addresses[i - 1] ~= '0'
    )) and raw[id] == nil and runs[id] == nil then
      raw[id] = false
      local bucket, field = bucketOf(id)
      local fields = wanted[bucket]
      if not fields then
        fields = { ids = {} }
        wanted[bucket] = fields
      end
      local count = #fields + 1
      fields[count] = field
      fields.ids[count] = id
    end
  end
  for bucket, fields in pairs(wanted) do
    local values, ids = readBucket(bucket, fields), fields.ids
    for i = 1, #values do raw[ids[i]] = values[i] end
  end
end

-- What a head says; the runs of a batch mostly have the same. Of one that is ready for the first time it says, too, how the
-- head begins when it has succeeded.
local headOf
local function parseHead(head)
  local standing, hash, length, endedAt = match(head, '^([RSFX]...)([^,]*),?(%d*),?(%w*)$')
  if not standing then unreadable('its entry in a bucket') end
  local m = standing .. '-1,' .. (byte(head) == 82 and '1,' or '0,') .. hash
  local isFresh = length == '' and sub(standing, 1, 3) == 'R--'
  return {
    m = endedAt == '' and m or m .. ',' .. endedAt, length = tonumber(length), hash = hash,
    success = isFresh and 'S-S' .. sub(standing, 4) .. hash .. ','
  }
end

local function readHead(value)
  local stop = find(value, '\n', 1, true) or unreadable('its entry in a bucket')
  headOf = headOf or remember(50, parseHead)
  return headOf[sub(value, 1, stop - 1)], stop
end

-- The field m of a run, and its others.
parsePacked = function(value)
  local head, stop = readHead(value)
  local from, length = stop + 9, head.length
  local fields = { c = sub(value, stop + 1, from - 1), i = sub(value, from + (length or 0)), ['0'] = 'r' }
  if length then fields['0'] = length > 0 and sub(value, from, from + length - 1) end
  return head.m, fields
end

-- The fields that are not there need not be asked for.
local unasked = { __index = function() return false end }

findPacked = function(id)
  local value = raw[id]
  if value == nil then
    local bucket, field = bucketOf(id)
    value = readBucket(bucket, { field })[1] or false
    raw[id] = value
  end
  if not value then return nil end
  atWork = id
  local m, fields = parsePacked(value)
  local run = makeRun(id, nil, m, setmetatable(fields, unasked))
  run.isPacked = true
  return run
end

-- ---- a run that is ready for the first time --------------------------------------------------------------------------

-- What loadPacked has read of it, if it is one and nobody watches: its head, where that ends, all of it.
freshOf = function(id)
  local value = raw[id]
  if not value or watched ~= false or runs[id] ~= nil then return nil end
  atWork = id
  local head, stop = readHead(value)
  if head.success then return head, stop, value end
end

putPacked = function(id, value)
  raw[id] = value
  local bucket, field = bucketOf(id)
  local entries = packs[bucket]
  if not entries then
    entries = {}
    packs[bucket] = entries
  end
  local count = #entries
  entries[count + 1] = field
  entries[count + 2] = value
end

-- Ends such a run with this end of its cell; whether it was one.
succeedPacked = function(id, cell)
  local head, stop, value = freshOf(id)
  if not head or #cell > mostPacked then return false end
  putPacked(id, head.success .. text[#cell] .. ',' .. shortTime() .. sub(value, stop, stop + 8) .. cell .. sub(value, stop + 9))
  noteEnd(id, '1', 'S', cell)
  return true
end

-- ---- writing ---------------------------------------------------------------------------------------------------------

isPackable = function(run, rest)
  if rest then return false end
  local set = run.set or NONE
  for i = 1, #set, 2 do
    if set[i] ~= '0' then return false end
  end
  return #(run.fields['0'] or '') <= mostPacked
end

pack = function(run)
  local fields = run.fields
  local head, cell = run.state .. run.closing .. run.decided .. run.onFailure .. run.hash, fields['0'] or ''
  if cell == 'r' then cell = ''
  else head = head .. ',' .. text[#cell] .. (run.endedAt and ',' .. run.endedAt or '') end
  putPacked(run.id, head .. '\n' .. fields.c .. cell .. fields.i)
end

dropPacked = function(id)
  local bucket, field = bucketOf(id)
  drops[bucket] = drops[bucket] or {}
  table.insert(drops[bucket], field)
end

-- A store that has carried out such a move by half has the run twice; what its bucket says of it counts.
moveOut = function(run)
  local fields, set = run.fields, run.set or NONE
  run.key = prefix .. 'r:' .. run.id
  run.isPacked = false
  run.set = { 'c', fields.c, 'i', fields.i }
  if fields['0'] then
    run.set[5] = '0'
    run.set[6] = fields['0']
  end
  for i = 1, #set do run.set[#run.set + 1] = set[i] end
  call('UNLINK', run.key)
  dropPacked(run.id)
end

end
