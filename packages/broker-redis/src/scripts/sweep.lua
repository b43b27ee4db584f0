#!lua flags=allow-oom
-- sweep: one bounded round of what needs a clock: deferred work, due timers, workers whose lease ran out, retention, what
-- was staged and never used. Idempotent; any number may sweep at once.
--
-- KEYS[1] prefix of the partition
-- ARGV[1] edges at most  [2] largest number of lost deliveries  [3] retention, ms  [4] ended runs kept per state  [5] age of abandoned stages, ms
-- Reply { timers fired, workers dismissed, runs removed, 1 when there is more to do, ms the oldest timer was late }
-- Cost: 6 commands, a few per thing done; at most 100 timers, 100 runs and what one worker holds.

-- include run.lua
-- include kernel.lua
-- include hold.lua

local budget, maxLost = tonumber(ARGV[1]), tonumber(ARGV[2])
local more = 0

for _, id in ipairs(redis.call('SRANDMEMBER', prefix .. 'x', 20)) do
  local run = loadRun(id)
  if run and run.state == 'R' then
    if budget > 0 then budget = advance(run, budget) end
    if nextWork(run) then more = 1 end
  else
    redis.call('SREM', prefix .. 'x', id)
  end
end

local fired, late = {}, 0
if budget > 0 then
  fired = redis.call('ZRANGE', prefix .. 't', '-inf', now, 'BYSCORE', 'LIMIT', 0, 100)
  if #fired == 100 then more = 1 end
  if #fired > 0 then late = now - tonumber(redis.call('ZSCORE', prefix .. 't', fired[1])) end
  for _, timer in ipairs(fired) do
    local kind, id, address, tries, generation = string.match(timer, '^(%a)\t([^\t]*)\t?([^\t]*)\t?(%d*)\t?(%d*)$')
    local run = loadRun(id)
    if run and run.state == 'R' then
      if kind == 'r' then
        if get(run, 'w') then
          put(run, 'w', false)
          defer(run, 'start|0')
          run.changed = true
        end
      elseif run.generation == generation then
        local value = get(run, address)
        local _, node = split(address)
        local program = programOf(run.hash, node)
        if kind == 's' and value and string.match(value, '^s%d+|(%d+)|') == tries then
          local _, ms = historyOf(value)
          run.changed = true
          push(run, address, program, tonumber(tries), 0, ms)
        elseif kind == 'x' and isActive(value) and not isHeld(run, address) then
          endCell(run, address, program, 'F' .. (tonumber(tries) + 1) .. '|0||0|Expired\n{"_tag":"Expired","after":' .. program.x.expires .. '}')
        end
      end
      budget = advance(run, budget)
    end
  end
  if #fired > 0 then redis.call('ZREM', prefix .. 't', unpack(fired)) end
end

local silent = redis.call('ZRANGE', prefix .. 'ws', '-inf', now, 'BYSCORE', 'LIMIT', 0, 1)
for _, worker in ipairs(silent) do
  local holder = { worker = worker, key = prefix .. 'w:' .. worker, held = {}, gone = {} }
  local fields = redis.call('HGETALL', holder.key)
  for i = 1, #fields, 2 do
    if string.sub(fields[i], 1, 1) ~= '#' then
      local id, address = string.match(fields[i], '^([^\t]*)\t(.*)$')
      local run = loadRun(id)
      if run then
        local _, node = split(address)
        giveBack(holder, run, address, programOf(run.hash, node), parseHeld(fields[i + 1]), true, maxLost)
        budget = advance(run, budget)
      end
    end
  end
  more = 1
end

local removed = 0
local gone, forgotten = {}, {}
local fields = 0 -- of the runs to remove: what says how long that takes
for _, state in ipairs({ 'S', 'F', 'X' }) do
  local list = prefix .. 'done:' .. state
  local excess = redis.call('LLEN', list) - tonumber(ARGV[4])
  for _, entry in ipairs(redis.call('LRANGE', list, 0, 99)) do
    local id, generation, at = string.match(entry, '^([^\t]*)\t(%d+)\t(%d+)$')
    local run = loadRun(id)
    local current = run and run.state ~= 'R' and run.generation == generation
    if current and excess <= 0 and now - tonumber(at) < tonumber(ARGV[3]) then break end
    if fields > 10000 then
      more = 1
      break
    end
    excess = excess - 1
    trims[list] = (trims[list] or 0) + 1
    if current then
      gone[#gone + 1] = prefix .. 'r:' .. id
      forgotten[#forgotten + 1] = id
      removed = removed + 1
      local names = redis.call('HKEYS', prefix .. 'r:' .. id)
      fields = fields + #names
      for _, field in ipairs(names) do
        if string.byte(field) == 101 then gone[#gone + 1] = prefix .. 'f:' .. id .. ':' .. string.sub(field, 2) end
      end
    end
  end
end
if removed >= 100 then more = 1 end

local abandoned = redis.call('ZRANGE', prefix .. 'g', '-inf', now - tonumber(ARGV[5]), 'BYSCORE', 'LIMIT', 0, 100)
for _, name in ipairs(abandoned) do gone[#gone + 1] = name end

save()
for _, worker in ipairs(silent) do
  redis.call('ZREM', prefix .. 'ws', worker)
  redis.call('HDEL', prefix .. 'wi', worker)
  redis.call('DEL', prefix .. 'w:' .. worker, prefix .. 'wt:' .. worker)
end
if #abandoned > 0 then redis.call('ZREM', prefix .. 'g', unpack(abandoned)) end
-- Mostly the oldest, so they are found near the head.
for _, id in ipairs(forgotten) do redis.call('LREM', prefix .. 'runs', 1, id) end
for i = 1, #gone, 1000 do redis.call('UNLINK', unpack(gone, i, math.min(i + 999, #gone))) end
return { #fired, #silent, removed, more, late }
