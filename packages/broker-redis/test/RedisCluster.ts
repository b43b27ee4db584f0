/**
 * A cluster of the tests' own: three primaries that share the slots, and a replica of the first.
 */
import { eventually } from "./eventually.ts"
import * as RedisServer from "./RedisServer.ts"

export interface RedisCluster {
  readonly nodes: ReadonlyArray<RedisServer.OwnServer>
  /** The primary that has a replica. */
  readonly primary: RedisServer.OwnServer
  readonly replica: RedisServer.OwnServer
  readonly stop: () => Promise<void>
}

/** How long a node may be silent before the others take it for dead. */
const nodeTimeout = 1_000

const ranges = [
  [0, 5_460],
  [5_461, 10_922],
  [10_923, 16_383]
] as const

/** `args` are further options of every node. */
export const start = async (
  durability: RedisServer.Durability = "nothing",
  args: ReadonlyArray<string> = []
): Promise<RedisCluster> => {
  const busPorts: Array<number> = []
  const nodes: Array<RedisServer.OwnServer> = []
  for (let i = 0; i < 4; i++) {
    const busPort = await RedisServer.freePort()
    busPorts.push(busPort)
    nodes.push(
      await RedisServer.startOwn(durability, [
        ...["--cluster-enabled", "yes"],
        ...["--cluster-port", String(busPort)],
        ...["--cluster-node-timeout", String(nodeTimeout)],
        ...["--cluster-replica-validity-factor", "0"],
        ...["--repl-diskless-sync-delay", "0"],
        ...args
      ])
    )
  }
  const [primary, , , replica] = nodes as [
    RedisServer.OwnServer,
    RedisServer.OwnServer,
    RedisServer.OwnServer,
    RedisServer.OwnServer
  ]
  for (const [i, [from, to]] of ranges.entries()) await nodes[i]!.command("CLUSTER", "ADDSLOTSRANGE", from, to)
  for (const [i, node] of nodes.entries()) {
    await node.command("CLUSTER", "SET-CONFIG-EPOCH", i + 1)
    if (i > 0) await primary.command("CLUSTER", "MEET", "127.0.0.1", node.port, busPorts[i]!)
  }
  const isKnown = async (node: RedisServer.OwnServer) => {
    const info = String(await node.command("CLUSTER", "INFO"))
    return info.includes("cluster_state:ok") && info.includes("cluster_known_nodes:4")
  }
  for (const node of nodes) await eventually("a node knows the cluster", () => isKnown(node))
  await replica.command("CLUSTER", "REPLICATE", String(await primary.command("CLUSTER", "MYID")))
  await RedisServer.followed(primary)
  for (const node of nodes)
    await eventually("a node knows of the replica", async () =>
      /slave\S* [0-9a-f]{40} /.test(String(await node.command("CLUSTER", "NODES")))
    )
  return {
    nodes,
    primary,
    replica,
    stop: async () => void (await Promise.all(nodes.map((node) => node.stop())))
  }
}

/** A node that has all slots. `args` are further options of redis-server. */
export const startAlone = async (args: ReadonlyArray<string> = []): Promise<RedisServer.OwnServer> => {
  const options = ["--cluster-enabled", "yes", "--cluster-announce-ip", "127.0.0.1"]
  const node = await RedisServer.startOwn("nothing", [...options, ...args])
  await node.command("CLUSTER", "ADDSLOTSRANGE", 0, 16_383)
  await eventually("it serves", async () => String(await node.command("CLUSTER", "INFO")).includes("cluster_state:ok"))
  return node
}
