-- plan.lua: plans as the kernel needs them: the program of each node. What is stored under p:<hash> never changes, and is kept
-- from call to call.

-- Programs kept in memory. Who shows more nodes or plans than this in rotation has them read again: to keep more costs the
-- collector of garbage, which looks at all of it again and again, more than that.
local most = 1200

local forgetPlans, planOf, readPlan, listOf, programOf, bodiesOf

do

-- Nodes whose program is known at once; many have the same.
local mostNodes = 20000

local plans, planCount, programCount, nodeCount

forgetPlans = function() plans, planCount, programCount, nodeCount = {}, 0, 0, 0 end

planOf = function(hash)
  local plan = plans[hash]
  if not plan then
    if planCount >= 200 or programCount >= most then forgetPlans() end
    plan = { hash = hash, nodes = {}, programs = {} }
    plans[hash] = plan
    planCount = planCount + 1
  end
  return plan
end

readPlan = function(hash, field)
  local json = call('HGET', prefix .. 'p:' .. hash, field)
  if not json then error('its plan is not in the store: field ' .. field, 0) end
  local isJson, value = pcall(cjson.decode, json)
  return isJson and value or unreadable('its plan: field ' .. field)
end

-- A list that is stored in pieces, `<name>`, `<name>:1` and so on. Only the one that was asked for last is kept.
local perPiece = 1000 -- as in Program.ts
listOf = function(plan, name, prepare)
  local at, piece
  return setmetatable({}, {
    __index = function(_, position)
      local inPiece = (position - 1) % perPiece
      local number = (position - 1 - inPiece) / perPiece
      if number ~= at then
        piece = readPlan(plan.hash, number == 0 and name or name .. ':' .. text[number])
        if prepare then prepare(piece) end
        at = number
      end
      return piece[inPiece + 1]
    end
  })
end

-- A node is programmed like the one before it, unless it is one of these.
local function firstLike(plan, node)
  local firsts = plan.firsts
  if firsts == nil then
    firsts = call('HEXISTS', prefix .. 'p:' .. plan.hash, '=') == 1 and readPlan(plan.hash, '=')
    plan.firsts = firsts
  end
  if not firsts then return node end
  local low, high = 1, #firsts
  while low < high do
    local middle = (low + high - (low + high) % 2) / 2
    if firsts[middle + 1] <= node then low = middle + 1 else high = middle end
  end
  return firsts[low]
end

-- Addresses that are kept with a program.
local mostNear = 100

local function nameTargets(edges)
  for _, edge in ipairs(edges) do edge[4] = text[edge[1]] end
end

-- Besides what is stored
--   q        how many outgoing edges there are; in each of them the target as text
--   e        whether its end moves anything on
--   joins    whether it waits for more than one edge
--   isPlain  whether it is queued as soon as nothing holds it up
--   near     of a node outside of all bodies, the addresses of the nodes its input needs, where these are few
--   target, join   see `expect` in advance.lua
local function readProgram(plan, first)
  local program = readPlan(plan.hash, text[first])
  if program.o then
    program.q = #program.o
    nameTargets(program.o)
  else
    program.o = listOf(plan, 'o' .. text[program.i], nameTargets)
  end
  program.e = program.q > 0 or program.r ~= nil or (program.z or 0) > 0
  program.joins = program.n > 1 or program.g ~= nil or program.k == 'C'
  local isWork, policy = program.k == 'T' or program.k == 'D', program.x
  program.isPlain = isWork and not (policy and (policy.delay > 0 or policy.expires))
  if program.b == 0 and program.m and program.m[1] and #program.m <= mostNear then
    program.near = {}
    for i, node in ipairs(program.m) do program.near[i] = text[node] end
  end
  if programCount >= most then plan.programs, plan.nodes, programCount = {}, {}, 0 end
  plan.programs[first] = program
  programCount = programCount + 1
  return program
end

-- A node of a plan: see kernel.lua.
programOf = function(run, node)
  local plan = run.plan
  local program = plan.nodes[node]
  if not program then
    local first = firstLike(plan, node)
    program = plan.programs[first] or readProgram(plan, first)
    if nodeCount >= mostNodes then plan.nodes, nodeCount = {}, 0 end
    plan.nodes[node] = program
    nodeCount = nodeCount + 1
  end
  return program
end

bodiesOf = function(run)
  local plan = run.plan
  if not plan.bodies then
    plan.bodies = readPlan(plan.hash, '#')
    local root = plan.bodies[1]
    root.starters = root.starting > perPiece and listOf(plan, 's') or root.starting > 0 and readPlan(plan.hash, 's') or NONE
  end
  return plan.bodies
end

end
