#!lua
-- submit: accepts runs. Refused as a whole call when memory is full; what was accepted before is not touched.
--
-- KEYS[1] prefix of the partition
-- ARGV[1] edges at most, then per run: id, plan hash, input, on failure (C or F), delay in ms,
--     digest of plan and input, elements as JSON [[fork, collect, [payload, ...] or name of a staged hash, count], ...] or ''
-- Reply: per run 'created', 'exists', 'conflict' (the id is taken by another plan or input), 'unplanned' (no such plan: store it first)
--     or 'unstaged' (elements that were staged are gone: stage them again)
-- Cost: 2 commands, 3 per run.

-- include run.lua
-- include kernel.lua

local budget = tonumber(ARGV[1])
local replies, created = {}, {}
for i = 2, #ARGV, 7 do
  local id, hash, input, onFailure, delay, digest, elements =
    ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], tonumber(ARGV[i + 4]), ARGV[i + 5], ARGV[i + 6]
  local known = redis.call('HGET', prefix .. 'r:' .. id, 'c')
  if runs[id] then known = get(runs[id], 'c') end
  if known then
    replies[#replies + 1] = string.match(known, '^([^,]*),') == digest and 'exists' or 'conflict'
  elseif not bodies[hash] and redis.call('HEXISTS', prefix .. 'p:' .. hash, '#') == 0 then
    replies[#replies + 1] = 'unplanned'
  elseif elements ~= '' and not areStaged(cjson.decode(elements)) then
    replies[#replies + 1] = 'unstaged'
  else
    local root = bodiesOf(hash)[1]
    local run = {
      id = id, state = 'R', closing = '-', decided = '-', onFailure = onFailure, generation = '1', open = root.count, hash = hash,
      fields = setmetatable({}, { __index = function() return false end }), dirty = false, joins = false, work = false, head = 1, stored = 0, read = 0, changed = true, wasDeferred = false
    }
    runs[id] = run
    loaded[#loaded + 1] = run
    tell('RunStarted', run, 1)
    put(run, 'i', input)
    put(run, 'c', digest .. ',' .. text(now))
    if elements ~= '' then
      for _, decided in ipairs(cjson.decode(elements)) do
        put(run, 'n' .. decided[1], decided[4])
        stages[#stages + 1] = prefix .. 'f:' .. id .. ':' .. decided[2]
        stages[#stages + 1] = decided[3]
      end
    end
    if delay > 0 then
      put(run, 'w', '1')
      timers[#timers + 1] = now + delay
      timers[#timers + 1] = 'r\t' .. id
    else
      defer(run, 'start|0')
      budget = advance(run, budget)
    end
    created[#created + 1] = id
    replies[#replies + 1] = 'created'
  end
end
save()
for i = 1, #created, 1000 do redis.call('RPUSH', prefix .. 'runs', unpack(created, i, math.min(i + 999, #created))) end
return replies
