/**
 * Calls of the library's functions, wherever they are loaded already and wherever they are not.
 */
import { Cluster, type Redis } from "ioredis"
import type { Client } from "./Dialer.ts"
import type { Script } from "./Scripts.ts"

/**
 * Calls a function on the partition whose keys begin with `prefix`. The library is sent when the server does not have it: it
 * is new, it was flushed, or a fail-over came before its replica had heard of it. A server that is full takes no library,
 * and what would make room is in it; so the call is made without.
 */
export const call = async (
  client: Client,
  script: Script,
  prefix: string,
  args: ReadonlyArray<string | number>
): Promise<unknown> => {
  const run = () => client.fcall(script.name, 1, prefix, ...args)
  try {
    return await run()
  } catch (error) {
    if (!says(error, "ERR Function not found")) throw error
  }
  try {
    await load(client, script.code)
  } catch (error) {
    if (!says(error, "OOM")) throw error
    return client.eval(asScript(script.code), 1, prefix, script.name, ...args)
  }
  return run()
}

const says = (error: unknown, beginning: string): boolean =>
  error instanceof Error && error.message.startsWith(beginning)

/**
 * In a cluster each primary has its own. Where others were faster it is there, for it is named by its content: to replace it
 * would take the server some milliseconds, for each process that missed it.
 */
const load = async (client: Client, code: string): Promise<void> => {
  const servers = client instanceof Cluster ? client.nodes("master") : [client]
  const loadInto = async (server: Redis): Promise<void> => {
    try {
      await server.call("FUNCTION", "LOAD", code)
    } catch (error) {
      if (!says(error, "ERR Library")) throw error
    }
  }
  await Promise.all(servers.map(loadInto))
}

/**
 * The library as a script that calls one of its functions, the first of its arguments: a script may exceed the memory by
 * itself. It builds the whole library anew, and so costs some ten times as much. What may not exceed the memory is refused,
 * as it would be as a function.
 */
const asScript = (code: string): string => `#!lua flags=allow-oom
local registered = {}
local function callRegistered(keys, argv)
  local called = registered[table.remove(argv, 1)]
  for _, flag in ipairs(called.flags or {}) do
    if flag == 'allow-oom' then return called.callback(keys, argv) end
  end
  return redis.error_reply("OOM command not allowed when used memory > 'maxmemory'.")
end
local redis = setmetatable({
  register_function = function(of) registered[of.function_name] = of end
}, { __index = redis })
${code.slice(code.indexOf("\n") + 1)}
return callRegistered(KEYS, ARGV)`
