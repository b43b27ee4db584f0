/**
 * The store of a campaign: one server, with a proxy before it for half of the processes; or a cluster, whose clients find
 * their own way to each of its nodes.
 */
import { eventually } from "../../packages/broker-redis/test/eventually.ts"
import * as RedisCluster from "../../packages/broker-redis/test/RedisCluster.ts"
import * as RedisServer from "../../packages/broker-redis/test/RedisServer.ts"
import * as TcpProxy from "../../packages/broker-redis/test/TcpProxy.ts"

export interface Store {
  /** Any of them may be hit. Each keeps all it has confirmed. */
  readonly servers: ReadonlyArray<RedisServer.OwnServer>
  readonly proxy: TcpProxy.TcpProxy | undefined
  /** A primary and its replica change places, and nothing is lost. */
  readonly failOver: (() => Promise<string>) | undefined
  /** Where half of the processes find it, and where the others do. */
  readonly urls: { readonly direct: string; readonly proxied: string }
  readonly stop: () => Promise<void>
}

export const alone = async (): Promise<Store> => {
  const server = await RedisServer.startOwn("everything")
  const proxy = await TcpProxy.start(server.port)
  return {
    servers: [server],
    proxy,
    failOver: undefined,
    urls: { direct: server.url, proxied: proxy.url },
    stop: async () => {
      await proxy.stop()
      await server.stop()
    }
  }
}

/** No replica takes over by itself: it may lack what its primary has confirmed. */
export const cluster = async (): Promise<Store> => {
  const { nodes, stop } = await RedisCluster.start("everything", ["--cluster-replica-no-failover", "yes"])
  const url = `redis+cluster://${nodes.map(({ port }) => `127.0.0.1:${port}`).join(",")}`
  const roleOf = async (node: RedisServer.OwnServer) => ((await node.command("ROLE")) as ReadonlyArray<unknown>)[0]
  return {
    servers: nodes,
    proxy: undefined,
    failOver: async () => {
      const roles = await Promise.all(nodes.map(roleOf))
      const replica = nodes[roles.indexOf("slave")]!
      await eventually("the replica takes over", async () => {
        if ((await roleOf(replica)) === "master") return true
        await replica.command("CLUSTER", "FAILOVER").catch(() => {})
        return false
      })
      return `to port ${replica.port}`
    },
    urls: { direct: url, proxied: url },
    stop
  }
}
