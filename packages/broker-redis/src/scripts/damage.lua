-- damage.lua: what becomes of a run whose data is not as it was written: because of somebody else, or of a fault of ours.
-- It costs only itself.
--
-- A transition writes nothing before all of it is worked out. So one that fails over the data of a run is made again as if
-- that run were absent, and the run is noted:
--   damaged   hash: run -> <ms>, what is wrong with it
--   m         gets a D in front of what it says, unless the run has ended: from now on the run is absent to every call
-- So it stands still, with all that is kept of it. Who awaits it is told; the way out is in repair.lua.
--
-- Whatever else fails, fails the call: with no run at work, the same without the run, while writing, or for a reason that
-- Redis has.

local export

do

-- What the fault says about the data of the run at work, if it does.
local function issueIn(fault)
  if not atWork or runs[atWork] == false or isWriting then return nil end
  if isOfType(fault) then return 'one of its keys is of another type' end
  return not isOfRedis(fault) and sub(wordsOf(fault), 1, 200)
end

-- Out of its bucket: a damaged run has a hash of its own, unless it has ended.
local function moveOutDamaged(id)
  local bucket, field = bucketOf(id)
  local value = redis.pcall('HGET', prefix .. 'b:' .. bucket, field)
  if type(value) ~= 'string' then return end
  local isReadable, m, fields = pcall(parsePacked, value)
  if isReadable and byte(m) ~= 82 then return 'ended' end -- R
  local key = prefix .. 'r:' .. id
  call('UNLINK', key)
  call('HSET', key, 'm', isReadable and m or value)
  if isReadable then
    call('HSET', key, 'c', fields.c, 'i', fields.i)
    if fields['0'] then call('HSET', key, '0', fields['0']) end
  end
  call('HDEL', prefix .. 'b:' .. bucket, field)
end

local function noteDamage()
  for id, issue in pairs(damaged) do
    local key = prefix .. 'r:' .. id
    local isPackedAndOver = moveOutDamaged(id) == 'ended'
    if isPackedAndOver or call('EXISTS', key) == 1 then
      call('HSET', prefix .. 'damaged', id, nowText .. ' ' .. issue)
      local m = redis.pcall('HGET', key, 'm')
      if type(m) == 'string' and not match(m, '^[SFXD]') then call('HSET', key, 'm', 'D' .. m) end
      call('PUBLISH', prefix .. 'ended', id)
    end
  end
end

-- Damaged runs that one call gets past. Where there are more, as when a plan is lost, they are noted by several.
local patience = 50

-- Makes a transition callable.
export = function(name, transition, flags)
  register(name, function(key, argv)
    local known = NONE
    damaged = NONE
    for _ = 1, patience do
      atWork, isWriting = nil, false
      begin(key)
      if damaged ~= NONE then
        for _, id in ipairs(known) do runs[id] = false end
        for id in pairs(damaged) do runs[id] = false end
      end
      local isDone, reply = pcall(transition, argv)
      if isDone then
        if damaged ~= NONE then noteDamage() end
        return reply
      end
      local issue = issueIn(reply)
      if not issue then raise(reply) end
      if damaged == NONE then
        damaged = {}
        known = call('HKEYS', prefix .. 'damaged')
      end
      damaged[atWork] = issue
    end
    noteDamage()
    return redis.error_reply('TRYAGAIN The data of many runs is damaged; not all of them are noted yet.')
  end, flags)
end

end
