-- library.lua: the beginning of the library. A function of it is one transition; Redis keeps the library loaded, so what is
-- local here and not reset by `begin` lives from call to call. That is only what never changes: plans, which are named by
-- their content, and texts taken apart.

-- As locals, because a global is looked for in several tables first. Redis lends them to a running function only.
local call, find, sub, byte, match, unpack, ipairs, tonumber, setmetatable

local function borrow()
  if call then return end
  call, find, sub, byte, match = redis.call, string.find, string.sub, string.byte, string.match
  unpack, ipairs, tonumber, setmetatable = _G.unpack, _G.ipairs, _G.tonumber, _G.setmetatable
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

-- Makes a transition callable.
local function export(name, transition, flags)
  register(name, function(key, argv)
    begin(key)
    return transition(argv)
  end, flags)
end

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
  for i = 1, count, 1000 do call(name, key, unpack(arguments, i, math.min(i + 999, count))) end
end
