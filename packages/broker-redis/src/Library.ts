/**
 * Calls of the library's functions, wherever they are loaded already and wherever they are not.
 */
import { Cluster } from "ioredis"
import type { Client } from "./Dialer.ts"
import type { Script } from "./Scripts.ts"

/**
 * Calls a function on the partition whose keys begin with `prefix`. The library is sent when the server does not have it: it
 * is new, it was flushed, or a fail-over came before its replica had heard of it.
 */
export const call = async (
  client: Client,
  script: Script,
  prefix: string,
  args: ReadonlyArray<string | number>
): Promise<unknown> => {
  try {
    return await client.fcall(script.name, 1, prefix, ...args)
  } catch (error) {
    if (!(error instanceof Error) || !error.message.startsWith("ERR Function not found")) throw error
    await load(client, script.code)
    return client.fcall(script.name, 1, prefix, ...args)
  }
}

/** In a cluster each primary has its own. */
const load = async (client: Client, code: string): Promise<void> => {
  const servers = client instanceof Cluster ? client.nodes("master") : [client]
  await Promise.all(servers.map((server) => server.call("FUNCTION", "LOAD", "REPLACE", code)))
}
