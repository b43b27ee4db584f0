-- library.lua: the beginning of the library. A function of it is one transition; Redis keeps the library loaded, so what is
-- local here and not reset by `begin` lives from call to call. That is only what never changes: plans, which are named by
-- their content, and texts taken apart.

-- As locals, because a global is looked for in several tables first. Redis lends them to a running function only.
local call, find, sub, byte, match, min, max, concat, unpack, next, ipairs, tonumber, setmetatable, pcall

local function borrow()
  if call then return end
  call, find, sub, byte, match = redis.call, string.find, string.sub, string.byte, string.match
  min, max, concat = math.min, math.max, table.concat
  unpack, next, ipairs, tonumber, setmetatable, pcall = _G.unpack, _G.next, _G.ipairs, _G.tonumber, _G.setmetatable, _G.pcall
end

-- Makes a function callable; KEYS[1] of every one is the prefix of the partition.
local function register(name, callback, flags)
  redis.register_function({
    function_name = LIBRARY .. '_' .. name,
    flags = flags,
    callback = function(keys, argv)
      borrow()
      return callback(keys[1], argv)
    end
  })
end

local begin -- in run.lua

-- Of this call: what all keys begin with, and the time, in milliseconds, as text, and short.
local prefix, now, nowText, nowShort

-- See damage.lua.
local atWork         -- the run at work: what goes wrong is wrong with its data
local damaged        -- runs this call does without -> what is wrong with them
local isWriting      -- whether the call has begun to write

-- Reads what belongs to no run, whichever is at work.
local function callShared(...)
  local run = atWork
  atWork = nil
  local reply = call(...)
  atWork = run
  return reply
end

-- What was caught, in words; those of Redis begin with a code in capitals, which is lost when a text is raised.
local function wordsOf(fault) return type(fault) == 'table' and fault.err or tostring(fault) end

local function isOfRedis(fault) return find(wordsOf(fault), '^%u+ ') ~= nil end

local function isOfType(fault) return find(wordsOf(fault), 'WRONGTYPE', 1, true) == 1 end

local function raise(fault) error(isOfRedis(fault) and { err = wordsOf(fault) } or fault, 0) end

local function unreadable(what) error(what .. ' is unreadable', 0) end

-- A number among the arguments. Asked for at first: what is wrong with a call is no fault of a run.
local function numberOf(argument) return tonumber(argument) or unreadable('an argument') end

local NONE = {}

-- A table of what is dear to work out and never changes. One that grows beyond `most` entries is emptied: by then
-- something other than the usual passes through.
local function remember(most, make)
  local count = 0
  return setmetatable({}, {
    __index = function(known, key)
      if count >= most then
        for old in pairs(known) do known[old] = nil end
        count = 0
      end
      local value = make(key)
      known[key] = value
      count = count + 1
      return value
    end
  })
end

-- Numbers become text by printf, which costs more than a Redis command.
local text
local function textOf(number) return string.format('%.0f', number) end

-- HSET, HDEL, RPUSH, ... of any number of arguments; an even number of them stays together.
local function callWith(name, key, arguments)
  local count = #arguments
  if count == 0 then return end
  if count <= 1000 then return call(name, key, unpack(arguments)) end
  for i = 1, count, 1000 do call(name, key, unpack(arguments, i, min(i + 999, count))) end
end

-- Writes to a key of a run alone. What is of another type there gives way: nothing may fail half-way.
local function callOver(name, key, arguments)
  local isDone, fault = pcall(callWith, name, key, arguments)
  if isDone then return end
  if not isOfType(fault) then raise(fault) end
  call('UNLINK', key)
  callWith(name, key, arguments)
end
