-- delivery.lua: what a delivery tells a worker, and that the worker holds it from then on.

local describe, deliver, deliverFresh

do

-- An element, also when it came with this very call and is not written yet.
local function elementOf(key, index)
  for i = #stages - 1, 1, -2 do
    if stages[i] == key then
      local staged = stages[i + 1]
      if type(staged) == 'table' then return staged[index + 1] end
      return call('HGET', staged, index)
    end
  end
  return call('HGET', key, index)
end

-- Adds the elements of the instances around a cell, outermost first, and before them how many there are.
local function addElements(holder, more, run, frame)
  local count = 0
  while frame ~= '' do
    local outer, collect, index = around(frame)
    local element = elementOf(prefix .. 'f:' .. run.id .. ':' .. outer .. collect, index)
    table.insert(more, 2, element)
    holder.bytes = holder.bytes + #(element or '')
    count = count + 1
    frame = outer
  end
  more[1] = count
end

-- Adds the ends the input needs, as address, end, address, end, ...; values longer than 4 KiB and lists without a bound are
-- left to be read by the worker.
local function addEnds(holder, more, run, frame, program)
  local fields, addresses, missing = run.fields, program.near, nil
  if not addresses then
    addresses = {}
    for i, node in ipairs(program.m) do addresses[i] = visible(run, frame, program.b, node) end
  end
  for i = 1, #addresses do
    local address = addresses[i]
    if fields[address] == nil then
      missing = missing or {}
      missing[#missing + 1] = address
    end
  end
  if missing then
    for i, value in ipairs(call('HMGET', run.key, unpack(missing))) do fields[missing[i]] = value end
  end
  local count, bytes = #more, 0
  for i = 1, #addresses do
    local address = addresses[i]
    local value = fields[address]
    if value and #value <= 4096 then
      more[count + 1], more[count + 2] = address, value
      count, bytes = count + 2, bytes + #address + #value
      if byte(value) == 75 then -- K
        local cause = sub(value, 2)
        local failure = get(run, cause)
        more[count + 1], more[count + 2] = cause, failure
        count, bytes = count + 2, bytes + #cause + #(failure or '')
      end
    end
  end
  holder.bytes = holder.bytes + bytes
end

-- Two or three places of the reply per delivery; see settle.lua.
local function answer(holder, reply, number, head, history, hash, input, more)
  local at = holder.places
  if history or hash ~= holder.hash then
    head = head .. '\t' .. number .. '\t' .. (history or '0,0,1') .. '\t' .. hash
    holder.hash = hash
  end
  reply[at + 1], reply[at + 2], reply[at + 3] = head, input, more
  holder.places = more and at + 3 or at + 2
  holder.count = holder.count + 1
  holder.bytes = holder.bytes + #input
end

describe = function(holder, reply, run, field, address, program, history, number)
  local frame, needs = place[address].frame, program.m
  local more
  if frame ~= '' or needs and needs[1] then
    more = { 0, nil, nil, nil, nil }
    if frame ~= '' then addElements(holder, more, run, frame) end
    if needs then addEnds(holder, more, run, frame, program) end
  end
  answer(holder, reply, number, field, history, run.plan.hash, program.u and (run.fields.i or get(run, 'i')) or '', more)
end

-- From now on the worker holds what was answered last.
local function hold(holder, field, tries, number, lost)
  local taken, last = holder.taken, holder.count * 2
  taken[last - 1] = field
  taken[last] = nowText .. tries .. ',' .. holder.base .. '.' .. number .. ',' .. lost
end

-- Hands a cell out: into the reply, and into what the worker holds. Nearly every one is the first attempt of a run that was
-- never retried, and has no history.
deliver = function(holder, reply, run, field, address, program, isFirst, tries, lost)
  local number = text[holder.count]
  local history = not isFirst and tries .. ',' .. lost .. ',' .. run.generation
  if watched ~= false then tell('NodeStarted', run, address, tonumber(tries) + 1, holder.worker) end
  describe(holder, reply, run, field, address, program, history, number)
  hold(holder, field, tries, number, lost)
end

-- The same for a run of one node of which no more was read than its input.
deliverFresh = function(holder, reply, id, hash, input)
  local field, number = id .. '\t0', text[holder.count]
  answer(holder, reply, number, field, nil, hash, input, nil)
  hold(holder, field, '0', number, '0')
end

end
