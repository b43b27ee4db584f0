-- advance.lua: how ends move on along the edges, a bounded number per call.

local isHeld, advance, succeed, launch

do

-- Whether a cell has left `blocked`. Its join is read along with it: it will be asked for next.
local function isOver(run, address, program)
  local known = run.fields[address]
  if known == nil then
    if hasJoin(run, program) then
      local join = 'j' .. address
      local values = call('HMGET', run.key, address, join)
      known = values[1]
      run.fields[join] = values[2]
    else
      known = false -- its only edge is the one at hand
    end
    run.fields[address] = known
  end
  if known then checkCell(address, known) end
  return known
end

-- Notes what the end of a node outside of all bodies with one edge will ask for: `target` and `join`.
local function expect(program, target, targetProgram)
  program.target = program.q == 1 and program.b == 0 and targetProgram.joins and target
  program.join = program.target and 'j' .. target
end

-- Resolves the edges of a node after the first `from`; returns how many, and what is left to do.
local function propagate(run, address, program, value, from, budget)
  local frame, node = split(address)
  if from == 0 and program.r then open(run, frame, program, value) end
  local edges, nodes, isSuccess = program.o, run.plan.nodes, byte(value) == 83 -- S
  local last = min(program.q, from + budget)
  for i = from + 1, last do
    local edge = edges[i]
    local target = frame == '' and edge[4] or frame .. edge[4]
    local targetProgram = nodes[edge[1]] or programOf(run, edge[1])
    if program.target == nil then expect(program, target, targetProgram) end
    if not isOver(run, target, targetProgram) then
      local said = isSuccess and edge[2] == SUCCESS and 'fire' or verdict(run, address, value, edge[2], targetProgram.c)
      resolve(run, target, targetProgram, edge[3] and node + edge[3] or -1, said)
    end
  end
  if last < program.q then return last - from, 'edges|' .. last .. '|' .. address end
  if program.z and program.z > 0 then leave(run, frame, value, address) end
  return last - from, nil
end

local function propagateFrom(run, address, from, budget)
  local _, node = split(address)
  return propagate(run, address, programOf(run, node), get(run, address), from, budget)
end

-- Asks all known workers for deliveries of these cells; where a call asks for many, for all they hold, once.
local function lookForHolders(run, addresses)
  out = out or { workers = callShared('ZRANGE', prefix .. 'ws', 0, -1), asked = 0 }
  local fields = {}
  for _, address in ipairs(addresses) do
    local field = run.id .. '\t' .. address
    if out[field] == nil then
      out[field] = false
      fields[#fields + 1] = field
    end
  end
  if #fields == 0 or out.isAll then return end
  out.asked = out.asked + #fields
  out.isAll = out.asked > 50
  for _, worker in ipairs(out.workers) do
    if out.isAll then
      for _, field in ipairs(callShared('HKEYS', prefix .. 'w:' .. worker)) do out[field] = true end
    else
      for i, value in ipairs(callShared('HMGET', prefix .. 'w:' .. worker, unpack(fields))) do
        if value then out[fields[i]] = true end
      end
    end
  end
end

-- Whether a delivery of the cell is out: only closing, expiry and repair ask.
isHeld = function(run, address)
  local field = run.id .. '\t' .. address
  if not out or out[field] == nil then lookForHolders(run, { address }) end
  return out[field] and not freed[field]
end

-- Ends what is ready or scheduled in a closing run, a slice of its fields at a time. Running deliveries are asked to
-- stop: the holders find their nonces in what the next settle or renewal answers.
local function closeSlice(run, cursor)
  local reply = run.isPacked and { '0', { '0', run.fields['0'] } } or call('HSCAN', run.key, cursor, 'COUNT', '200')
  local addresses, ranks, known = {}, {}, {}
  local function add(address)
    if not match(address, '^%d[%d%.]*$') or known[address] then return end
    local value = get(run, address)
    if not value or isEnd(value) then return end
    known[address] = true
    addresses[#addresses + 1] = address
    -- The outermost first, then as they stand in their plan.
    local depth = 0
    local rank = string.gsub(address, '%d+', function(number)
      depth = depth + 1
      return string.rep('0', 9 - #number) .. number
    end)
    ranks[address] = string.char(64 + min(depth, 60)) .. rank
  end
  for i = 1, #reply[2], 2 do
    local field = reply[2][i]
    if run.fields[field] == nil then run.fields[field] = reply[2][i + 1] end
    add(field)
  end
  -- What became ready in this very call is not written yet.
  local set = run.set or NONE
  for i = 1, #set, 2 do add(set[i]) end
  table.sort(addresses, function(a, b) return ranks[a] < ranks[b] end)
  local active = {}
  for _, address in ipairs(addresses) do
    if isActive(get(run, address)) then active[#active + 1] = address end
  end
  lookForHolders(run, active)
  for _, address in ipairs(addresses) do
    local value = get(run, address)
    if not isEnd(value) then
      local _, node = split(address)
      local program = programOf(run, node)
      if not program.c and (byte(value) == 115 or not isHeld(run, address)) then endCell(run, address, program, 'X') end
    end
  end
  return reply[1]
end

-- Lets the cells of the root go that wait for nothing, `budget` of them after the first `from`; returns how many there are.
local function start(run, from, budget)
  local root = bodiesOf(run)[1]
  local starters, count, nodes = root.starters, root.starting, run.plan.nodes
  for i = from + 1, min(count, from + budget) do
    local node = starters[i]
    local address, program = text[node], nodes[node] or programOf(run, node)
    if program.n == 0 and program.j ~= 'o' and program.k ~= 'C' then go(run, address, program, -1)
    else evaluate(run, address, program) end
  end
  return count
end

-- Handles the deferred work of a run, at most `budget` edges and instances; what is left is saved with the run.
advance = function(run, budget)
  local work = run.work
  if not work then return budget end
  atWork = run.id
  while budget > 0 and run.state == 'R' do
    local item = work[run.head] or run.wasDeferred and nextWork(run)
    if not item then break end
    local spent, rest, action, argument
    if byte(item) > 57 then action, argument = match(item, '^(%a+)|(.*)$') end -- not an address
    if not action then
      if run.generation ~= '1' and hasKept(run, item) then spent, rest = 0, 'admit|' .. item .. '|0'
      else spent, rest = propagateFrom(run, item, 0, budget) end
    elseif action == 'edges' then
      local from, address = match(argument, '^(%d+)|(.*)$')
      spent, rest = propagateFrom(run, address, tonumber(from), budget)
    elseif action == 'reset' or action == 'replay' or action == 'resume' then
      spent, rest = restart(run, action, argument, budget)
    elseif action == 'admit' then
      local releaser, from = match(argument, '^([%d%.]+)|(%d+)$')
      local position
      spent, position = admitKept(run, releaser, tonumber(from), budget)
      rest = position and 'admit|' .. releaser .. '|' .. text[position] or 'edges|0|' .. releaser
    elseif action == 'release' then
      local done
      spent, done = release(run, argument, budget)
      if not done then rest = item end
    elseif action == 'start' then
      local from = tonumber(argument)
      local count = start(run, from, budget)
      spent = count - from
      if spent > budget then spent, rest = budget, 'start|' .. from + budget end
    else -- close
      spent = 100
      local cursor = closeSlice(run, argument)
      if cursor ~= '0' then rest = 'close|' .. cursor end
    end
    if run.state ~= 'R' then break end
    budget = budget - (spent > 1 and spent or 1)
    if rest then
      run.work[run.head] = rest
      run.rewritten = run.head
    else
      run.head = run.head + 1
    end
  end
  return budget
end

-- Ends a task with a value and moves on what that allows, which is what nearly every report comes to; returns what is left of
-- the budget. A task releases no instances, so nothing of what `advance` does but for its edges concerns it.
succeed = function(run, address, program, value, budget)
  if run.work or not program.e or program.q >= budget then
    endCell(run, address, program, value)
    return run.work and advance(run, budget) or budget
  end
  recordEnd(run, address, program, value)
  noteLast(run, program, value)
  if run.state ~= 'R' then return budget end
  budget = budget - max(1, (propagate(run, address, program, value, 0, budget)))
  return run.work and advance(run, budget) or budget
end

-- Starts a run; returns what is left of the budget.
launch = function(run, budget)
  local count = start(run, 0, budget)
  if count > budget then defer(run, 'start|' .. budget) end
  if run.work then return advance(run, budget - min(count, budget)) end
  return budget - count
end

end
