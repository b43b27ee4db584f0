-- condemn: notes that a run is damaged where the functions see nothing of it: its plan as processes read it is lost.
--
-- KEYS[1] prefix of the partition
-- ARGV[1] run  [2] what is wrong with it  [3] its plan, when that is what is wrong
-- Reply 'ok'. Cost: 5 commands.
--
-- giveUp: ends a run that is damaged, in as many calls as the caller likes: it stands still. In the end it is like any run
--   that has ended, and retention removes it in time.
--
-- ARGV[1] run  [2] its field m as the caller read it, '' where it can't be read
--     [3] S, F or X: how it ends; '' while there are cells to end  [4...] field of the run, value or '' to remove it, ...
-- Reply 'ended', 'more', or 'changed' where somebody else was first. Cost: 8 commands, 2 per worker.

-- A plan as processes read it. Only here, where something is wrong with it: it may be long.
local function readWhole(hash)
  local key, pieces = prefix .. 'p:' .. hash, {}
  for number = 0, tonumber(call('HGET', key, 'jsons') or 1) - 1 do
    pieces[number + 1] = call('HGET', key, number == 0 and 'json' or 'json:' .. text[number]) or unreadable('a piece')
  end
  return cjson.decode(concat(pieces))
end

export('condemn', function(argv)
  -- A store that had lost both may have got them again since the plan was looked for.
  if not (argv[3] and pcall(readWhole, argv[3])) then damaged = { [argv[1]] = argv[2] } end
  return 'ok'
end, { 'allow-oom' })

-- Nobody holds anything of the run any more.
local function takeAway(id)
  for _, worker in ipairs(call('ZRANGE', prefix .. 'ws', 0, -1)) do
    local holder = makeHolder(worker, prefix .. 'w:' .. worker)
    holder.alone = call('HGET', holder.key, '#alone')
    for _, held in ipairs(allHeld(holder)) do
      if find(held.field, id .. '\t', 1, true) == 1 then letGo(holder, held.field, held.nonce) end
    end
    saveHolder(holder)
  end
end

export('giveUp', function(argv)
  local id, state = argv[1], argv[3]
  local key = prefix .. 'r:' .. id
  local m = redis.pcall('HGET', key, 'm')
  if (type(m) == 'string' and m or '') ~= argv[2] or call('HEXISTS', prefix .. 'damaged', id) == 0 then return 'changed' end
  local set, gone = {}, {}
  for i = 4, #argv, 2 do
    if argv[i + 1] == '' then
      gone[#gone + 1] = argv[i]
    else
      set[#set + 1] = argv[i]
      set[#set + 1] = argv[i + 1]
    end
  end
  callWith('HSET', key, set)
  callWith('HDEL', key, gone)
  if state == '' then return 'more' end
  local closing, onFailure, generation, hash = match(argv[2], '^D?[RSFX](.).(.).(%d+),%d+,([^,]*)')
  local run = { id = id, generation = generation or '1' }
  noteEnd(id, run.generation, state)
  tell('RunEnded', run, state)
  save()
  takeAway(id)
  if type(m) == 'table' then call('UNLINK', key) end
  call('HSET', key, 'm', state .. (closing or '-') .. state .. (onFailure or 'C') .. '-' .. run.generation .. ',0,' .. (hash or '') .. ',' .. shortTime())
  call('UNLINK', prefix .. 'd:' .. id)
  call('HDEL', prefix .. 'damaged', id)
  return 'ended'
end, { 'allow-oom' })
