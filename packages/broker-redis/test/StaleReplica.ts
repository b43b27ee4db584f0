/**
 * A replica that is cut off from its primary and takes its place later: what the primary confirmed meanwhile is lost, as
 * Redis replicates after it has answered.
 */
import * as AppendOnlyFile from "./AppendOnlyFile.ts"
import { eventually } from "./eventually.ts"
import * as RedisServer from "./RedisServer.ts"
import * as TcpProxy from "./TcpProxy.ts"

export interface StaleReplica {
  /** Resolves when it has what the primary has confirmed by now. */
  readonly catchUp: () => Promise<void>
  /** Nothing reaches it any more. */
  readonly cutOff: () => void
  /** Takes the place of the primary, on its port; kills it if it still lives. */
  readonly takeOver: () => Promise<void>
  /** Ends the link, and the replica if it has not taken over. */
  readonly stop: () => Promise<void>
}

/** Starts a replica; resolves when it has what the primary has. */
export const of = async (primary: RedisServer.OwnServer): Promise<StaleReplica> => {
  const link = await TcpProxy.start(primary.port)
  const replica = await RedisServer.startOwn("everything")
  const catchUp = async () => {
    const offset = Number(await fieldOf(primary, "master_repl_offset"))
    await eventually("the replica has what its primary has", async () => {
      const isUp = (await fieldOf(replica, "master_link_status")) === "up"
      return isUp && Number(await fieldOf(replica, "slave_repl_offset")) >= offset
    })
  }
  const stop = async () => {
    await link.stop()
    await replica.stop()
  }
  try {
    await primary.command("CONFIG", "SET", "repl-diskless-sync-delay", 0)
    await replica.command("REPLICAOF", "127.0.0.1", link.port)
    await catchUp()
  } catch (error) {
    await stop()
    throw error
  }
  return {
    catchUp,
    cutOff: link.blackHole,
    takeOver: async () => {
      await replica.command("REPLICAOF", "NO", "ONE")
      // What it had from its primary it writes to a file of its own; until then it would lose it in a crash.
      await AppendOnlyFile.isWritten(replica)
      await primary.giveWayTo(replica)
    },
    stop
  }
}

const fieldOf = async (server: RedisServer.OwnServer, name: string): Promise<string | undefined> =>
  new RegExp(`^${name}:(.*?)\r?$`, "m").exec(String(await server.command("INFO", "replication")))?.[1]
