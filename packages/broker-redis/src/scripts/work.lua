-- work.lua: what a run has to do and one call can't, as it may be much: the rest is deferred to the calls that come.
--
--   d:<run>   list of items, each behind its number and a blank
--   x         field of the run: the number of the first item to do, the number after the last, and where the first has been
--             begun a comma and what is left of it
--
-- Items are added before the run is written and taken away after it, so a store that carries out half of that has neither
-- lost nor added work: the field says what counts.

local defer, nextWork, addWork, trimWork

do

-- Items read at once.
local atOnce = 200

-- Whether some of it stands in the list unread.
local function isUnread(run) return run.next + run.read < run.last end

loadWork = function(run)
  local following, last, partial = match(call('HGET', run.key, 'x') or '', '^(%d+),(%d+),?(.*)$')
  if not following then unreadable('its deferred work') end
  run.work = {}
  run.next, run.last, run.partial = tonumber(following), tonumber(last), partial ~= '' and partial
end

-- To be done in this call, or deferred with the rest. New items wait in `later` until all that stands in the list is read.
defer = function(run, item)
  touch(run)
  if not run.work then run.work = {} end
  local list = run.work
  if run.wasDeferred and isUnread(run) then
    run.later = run.later or {}
    list = run.later
  end
  list[#list + 1] = item
end

local function readWork(run)
  local key, work = prefix .. 'd:' .. run.id, run.work
  run.base = run.base or tonumber(match(call('LRANGE', key, 0, 0)[1] or '', '^%d+ ')) or unreadable('its deferred work')
  local from = run.next + run.read
  local items = call('LRANGE', key, from - run.base, min(from + atOnce, run.last) - run.base - 1)
  if not items[1] then unreadable('its deferred work') end
  for i, item in ipairs(items) do
    local number, rest = match(item, '^(%d+) (.*)$')
    if tonumber(number) ~= from + i - 1 then unreadable('its deferred work') end
    work[#work + 1] = rest
  end
  if run.read == 0 and run.partial then work[1] = run.partial end
  run.read = run.read + #items
  if isUnread(run) then return end
  for _, item in ipairs(run.later or NONE) do work[#work + 1] = item end
  run.later = false
end

nextWork = function(run)
  local work = run.work
  if not work then return nil end
  if run.head > #work and isUnread(run) then readWork(run) end
  return work[run.head]
end

-- Adds what is new to the list; returns the field x.
addWork = function(run)
  local key, work, last = prefix .. 'd:' .. run.id, run.work, run.last
  -- What was added for a run that was not written then.
  if not run.wasDeferred then call('UNLINK', key)
  elseif call('LLEN', key) > last - run.base then call('LTRIM', key, 0, last - run.base - 1) end
  local new = {}
  local function add(item) new[#new + 1] = text[last + #new] .. ' ' .. item end
  for i = max(run.head, run.read + 1), #work do add(work[i]) end
  for _, item in ipairs(run.later or NONE) do add(item) end
  callOver('RPUSH', key, new)
  local isBegun = run.head <= run.read and (run.rewritten == run.head or run.head == 1 and run.partial)
  run.next = run.next + min(run.head - 1, run.read)
  return text[run.next] .. ',' .. text[last + #new] .. (isBegun and ',' .. work[run.head] or '')
end

-- Takes away what is done.
trimWork = function(run, rest)
  local key = prefix .. 'd:' .. run.id
  if not rest then
    call('UNLINK', key)
    call('HDEL', run.key, 'x')
  elseif run.base and run.next > run.base then
    call('LTRIM', key, run.next - run.base, -1)
  end
end

end
