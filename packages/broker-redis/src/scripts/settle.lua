#!lua flags=allow-oom
-- settle: records what became of attempts, moves on what they allow, and claims what is next.
--
-- KEYS[1] prefix of the partition
-- ARGV[1] worker  [2] base of this call's nonces  [3] how many to claim  [4] lease, ms  [5] largest number of lost deliveries
--     [6] a random number from 0 to 1  [7] edges at most
--     [8] 1 to be told what to interrupt in any case  [9] number of queues  [10...] the queues
--     then per settlement: run, address, attempt, nonce, tag, and three more
--       S value, elements as JSON [[fork, collect, [payload, ...] or name of a staged hash, count], ...] or '', ''
--       F error, tag, declared 0/1 .. retryable 0/1 .. retry after in ms or nothing
--       L length, limit, '' (a value that was not sent because it is too long)
--       I '', '', ''
-- Reply { receipts as a string of R (recorded), A (already), S (stale), deliveries, nonces to interrupt, known 0/1,
--   1 when the claim has looked at as much as a call may, found too little, and there is more }
-- A call sent again (same base) records nothing new and hands out the same deliveries.
-- Cost: about 8 commands, 2 per settled run, 2 per join, 1 per claimed run and 1 more where ends are needed.

-- include run.lua
-- include kernel.lua
-- include claim.lua
-- include hold.lua

local worker, base, max, lease, maxLost = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local random, budget = tonumber(ARGV[6]), tonumber(ARGV[7])
local queues = {}
for i = 1, tonumber(ARGV[9]) do queues[i] = ARGV[9 + i] end
local first = 10 + #queues

loadFlags(queues)
local holder = loadHolder(worker, first)
local known = holder.known and 1 or 0
local repeated = base ~= '' and holder.sequence == base

local receipts = {}
local position = 0
for i = first, #ARGV, 8 do
  position = position + 1
  local id, address, attempt, nonce, tag = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2]), ARGV[i + 3], ARGV[i + 4]
  local held = holder.held[id .. '\t' .. address]
  local run = loadRun(id)
  -- A report whose elements are gone was not made: the delivery stays with the worker, whose next renewal gives it back.
  local isGone = tag == 'S' and ARGV[i + 6] ~= '' and not areStaged(cjson.decode(ARGV[i + 6]))
  if known == 0 or not run or not held or held.nonce ~= nonce or held.tries + 1 ~= attempt or isGone then
    receipts[position] = run and wasRecorded(run, address, nonce) and 'A' or 'S'
  else
    receipts[position] = 'R'
    local _, node = split(address)
    local program = programOf(run.hash, node)
    if tag == 'I' and not isClosedFor(run, program) then
      giveBack(holder, run, address, program, held, false, maxLost)
    else
      letGo(holder, id, address, held)
      if held.tries > 0 then put(run, 'l' .. address, false) end
      local ms, took = tookWith(run, address, held)
      if tag == 'S' then
        local missing = stage(run, address, program, ARGV[i + 6])
        if missing then
          endCell(run, address, program, 'F' .. ARGV[i + 2] .. '|' .. took .. '|' .. mark(nonce) .. '|0|PayloadMismatch\n' .. missing)
        else
          local count = program.k == 'D' and (tonumber(get(run, 'n' .. address)) or 0) or 0
          endCell(run, address, program, 'S' .. text(count) .. '|' .. took .. '|' .. mark(nonce) .. '|' .. ARGV[i + 5])
        end
      elseif tag == 'F' then
        local declared, retryable, after = string.match(ARGV[i + 7], '^([01])([01])(%d*)$')
        local delay = retryDelay(run, program, attempt, ARGV[i + 6], retryable == '1', tonumber(after), (random + position * 0.618034) % 1)
        if delay then
          run.changed = true
          put(run, 'l' .. address, declared .. '|' .. ARGV[i + 6] .. '\n' .. ARGV[i + 5])
          schedule(run, address, now + delay, attempt, mark(nonce), ms)
          tell('NodeRetrying', run, address, attempt, now + delay, ARGV[i + 6], declared, ARGV[i + 5])
        else
          endCell(run, address, program, 'F' .. ARGV[i + 2] .. '|' .. took .. '|' .. mark(nonce) .. '|' .. declared .. '|' .. ARGV[i + 6] .. '\n' .. ARGV[i + 5])
        end
      elseif tag == 'L' then
        endCell(run, address, program, 'F' .. ARGV[i + 2] .. '|' .. took .. '|' .. mark(nonce) .. '|0|PayloadMismatch\n' .. cjson.encode({
          _tag = 'PayloadMismatch', where = 'output', task = program.t or 'decide',
          issue = 'it has ' .. ARGV[i + 5] .. ' characters, the limit is ' .. ARGV[i + 6] .. '; store it elsewhere and return a reference'
        }))
      else
        endCell(run, address, program, 'X' .. mark(nonce))
      end
    end
    budget = advance(run, budget)
  end
end

-- What earlier calls deferred, of whoever.
if budget > 0 and flag('x') == '1' then
  local deferred = redis.call('SRANDMEMBER', prefix .. 'x', 4)
  if #deferred == 0 then setFlag('x', '0') end
  for _, id in ipairs(deferred) do
    local run = loadRun(id)
    if run then budget = advance(run, budget) end
  end
end

local deliveries, taken, note = {}, {}, {}
if known == 1 and repeated then
  deliveries = redeliver(holder, base)
elseif known == 1 and max > 0 and not holder.alone then
  deliveries, taken, note = claim(worker, queues, max, base, function() return isHolding(holder) end, lease)
end

save()
saveHolder(holder, base, taken, note)
return { table.concat(receipts), deliveries, (ARGV[8] == '1' or #closingRuns() > 0) and interruptsOf(holder.key) or {}, known, note.more and 1 or 0 }
