/**
 * Makes clients of ioredis for a server: one for calls, and others that only listen.
 *
 * A client reconnects by itself, with jitter, so that many processes don't come back at the same instant. It asks the
 * Sentinels for the primary each time it connects, and drops its connection when the server says that it is none any more; so
 * no second subscription to the Sentinels is needed. In a cluster it follows redirections, some at a time.
 *
 * The thread that keeps a lease uses this too, so nothing is imported that takes long to load.
 *
 * How long a client for calls may owe its replies is for its user to say, who knows how much is on its way.
 *
 * A connection that only listens never reconnects: `Subscriber` notices its end and opens another, in a cluster to another node.
 */
import { Cluster, Command, Redis, type RedisOptions } from "ioredis"
import { isIP, type Socket } from "node:net"
import type { Address, Revealed } from "./Server.ts"

export interface Options {
  readonly server: Revealed
  /** How long a connection may take to be made, and one that listens may owe a reply: in milliseconds. */
  readonly deadline: number
  /** What else ioredis should know of each connection. */
  readonly redis: Omit<RedisOptions, "replyMapping">
}

export type Client = Redis | Cluster

export interface Listening {
  readonly client: Redis
  /** False when the cluster has no such node any more: it would stay silent for ever. */
  readonly isPartOfIt: () => boolean
}

export interface Dialer {
  /** A client that works; rejects when there is none within the deadline, and leaves nothing behind. */
  readonly connect: () => Promise<Client>
  /** A client that begins to connect. */
  readonly open: () => Client
  /** A connection to listen with, made beside the client for calls. Rejects as `connect` does. */
  readonly subscriber: (beside: Client) => Promise<Listening>
}

export const make = ({ deadline, redis, server }: Options): Dialer => {
  const { replyMapping: _, ...further } = redis as RedisOptions
  const common: Omit<RedisOptions, "replyMapping"> = {
    // What is for `CLIENT LIST` alone is a right more to grant, and one that older servers can't.
    disableClientInfo: true,
    ...further,
    lazyConnect: true,
    protocol: 2,
    connectTimeout: deadline,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0
  }

  const { enableOfflineQueue: __, ...forNodes } = common
  const access = accessOf(server)

  const listening = { socketTimeout: deadline, retryStrategy: never }

  const client = (life: Pick<RedisOptions, "retryStrategy" | "socketTimeout">): Client => {
    switch (server._tag) {
      case "Standalone":
        return new Redis({
          ...common,
          ...access,
          ...server.address,
          ...(server.db === 0 ? {} : { db: server.db }),
          reconnectOnError: isDemoted,
          ...life
        })
      case "Sentinel": {
        const { db, name, sentinelPassword, sentinelUsername, sentinels } = server
        return new Redis({
          ...common,
          ...access,
          sentinels: sentinels.map(({ host, port }) => ({ host, port })),
          name,
          db,
          ...(sentinelUsername === undefined ? {} : { sentinelUsername }),
          ...(sentinelPassword === undefined ? {} : { sentinelPassword }),
          ...(access.tls === undefined ? {} : { enableTLSForSentinelMode: true, sentinelTLS: access.tls }),
          sentinelRetryStrategy: soon,
          sentinelCommandTimeout: deadline,
          reconnectOnError: isDemoted,
          ...life
        })
      }
      case "Cluster": {
        // The queue of one node is only for while it is being connected to; when that fails, its calls fail.
        return new Cluster(
          server.nodes.map(({ host, port }) => ({ host, port })),
          {
            lazyConnect: true,
            enableOfflineQueue: false,
            redisOptions: { ...forNodes, ...access },
            clusterRetryStrategy: soon,
            // Node after node is asked who has what, the dead among them.
            slotsRefreshTimeout: Math.min(deadline, 1_000),
            slotsRefreshInterval: 5_000
          }
        )
      }
    }
  }

  const open = (): Client => {
    const opened = quiet(client({ retryStrategy: soon }))
    opened.connect().catch(() => {})
    return opened
  }

  return {
    connect: () => ready(quiet(client({ retryStrategy: soon })), deadline, inDatabase),
    open,
    subscriber: async (beside) => {
      if (!(beside instanceof Cluster)) {
        const client_ = quiet(client(listening)) as Redis
        return { client: await ready(client_, deadline), isPartOfIt: () => true }
      }
      const nodes = beside.nodes("all").map(({ options }) => addressOf(options))
      const address = nodes[Math.floor(Math.random() * nodes.length)]
      if (address === undefined || server._tag !== "Cluster") throw new Error("no node of the cluster is known")
      const alone = quiet(new Redis({ ...common, ...access, ...address, ...listening }))
      const isPartOfIt = () =>
        beside.nodes("all").some(({ options }) => options.host === address.host && options.port === address.port)
      return { client: await ready(alone, deadline), isPartOfIt }
    }
  }
}

const addressOf = ({ host = "localhost", port = 6_379 }: RedisOptions): Address => ({ host, port })

const accessOf = (server: Revealed): Pick<RedisOptions, "username" | "password" | "tls"> => {
  const { password, tls, username } = server
  return {
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(tls === undefined || tls === false ? {} : { tls: { ...nameOf(server), ...(tls === true ? {} : tls) } })
  }
}

/** What one server is called, for a proxy that serves several of them. */
const nameOf = (server: Revealed): { readonly servername?: string } => {
  if (server._tag !== "Standalone" || "path" in server.address) return {}
  const { host } = server.address
  return isIP(host) === 0 ? { servername: host } : {}
}

/** What carries calls about this key at the moment. */
export const socketOf = (client: Client, key: string): Socket | undefined => {
  if (!(client instanceof Cluster)) return socketIn(client)
  const name = client.slots[new Command("GET", [key]).getSlot()]?.[0]
  const node = client.nodes("all").find(({ options: { host, port } }) => `${host}:${port}` === name)
  return node === undefined ? undefined : socketIn(node)
}

/** ioredis has none before it connects, whatever its types say. */
const socketIn = ({ stream }: { readonly stream?: Socket }): Socket | undefined => stream

/** A client that may not go to its database, or for which there is none, would stay in the first one without a word. */
const inDatabase = async (client: Client): Promise<void> => {
  if (client instanceof Cluster) return
  const { db = 0 } = client.options
  if (db !== 0) await client.select(db)
}

/** Full jitter, from 100 ms to 2 s. */
const soon = (times: number): number => Math.round(Math.random() * Math.min(2_000, 50 * 2 ** times))

const never = () => null

/** Answers of a server that is not the primary, or has lost its replicas: another may be the primary by now. */
const isDemoted = (error: Error): boolean => /^(READONLY|NOREPLICAS)\b/.test(error.message)

/** What the sockets of a client complained of last, and when. */
const complaints = new WeakMap<Client, { readonly error: Error; readonly at: number }>()

/** Why a client has no connection, where something was heard of that since then. */
export const complaintOf = (client: Client, since: number): Error | undefined => {
  const last = complaints.get(client)
  return last !== undefined && last.at > since ? last.error : undefined
}

/** Without a listener ioredis prints. What a cluster itself complains of is only that none of its nodes can be used. */
const quiet = <C extends Client>(client: C): C => {
  const note = (error: Error): void => void complaints.set(client, { error, at: performance.now() })
  client.on("error", client instanceof Cluster ? () => {} : note)
  client.on("node error", note)
  return client
}

/** Waits for the first connection, and for what is to be done with it; fails with what the sockets said, if they did. */
const ready = async <C extends Client>(
  client: C,
  deadline: number,
  prepare: (client: C) => Promise<unknown> = async () => {}
): Promise<C> => {
  let giveUp!: (error: Error) => void
  const tooLate = new Promise<never>((_, reject) => (giveUp = reject))
  const timer = setTimeout(() => giveUp(new Error(`no connection within ${deadline} ms`)), deadline)
  try {
    await Promise.race([client.connect().then(() => prepare(client)), tooLate])
    return client
  } catch (error) {
    client.disconnect()
    throw complaintOf(client, 0) ?? error
  } finally {
    clearTimeout(timer)
  }
}

/** What went wrong, in a sentence. Only that: ioredis hangs the whole command on its errors, payloads included. */
export const reasonOf = (cause: unknown): string => {
  const message = cause instanceof Error ? cause.message : String(cause)
  if (message.includes("enableOfflineQueue")) return "there is no connection at the moment"
  return message.includes("max retries per request") ? "the connection broke" : message.replace(/\.$/, "")
}
