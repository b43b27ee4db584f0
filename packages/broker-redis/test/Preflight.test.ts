import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import { Redis } from "ioredis"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import * as Checks from "../src/Checks.ts"
import { Refused } from "../src/Connection.ts"
import type { Reply } from "../src/Connection.ts"
import * as Library from "../src/Library.ts"
import * as Preflight from "../src/Preflight.ts"
import * as RedisBroker from "../src/RedisBroker.ts"
import * as Scripts from "../src/Scripts.ts"
import * as RedisServer from "./RedisServer.ts"

const servers: Array<RedisServer.OwnServer> = []
const clients: Array<Redis> = []
afterAll(async () => {
  for (const client of clients) client.disconnect()
  for (const server of servers) await server.stop()
})

const startServer = async (...args: ReadonlyArray<string>): Promise<RedisServer.OwnServer> => {
  const server = await RedisServer.startOwn("everything", args)
  servers.push(server)
  return server
}

/** Commands as a user of the server sends them. */
const asking = async (server: RedisServer.OwnServer, user?: string): Promise<Preflight.Ask> => {
  const credentials = user === undefined ? {} : { username: user, password: "sesam" }
  const client = new Redis(server.url, { ...credentials, lazyConnect: true, protocol: 2, enableReadyCheck: false })
  client.on("error", () => {})
  clients.push(client)
  await client.connect()
  const attempt = (call: () => Promise<unknown>) =>
    Effect.tryPromise({
      try: call as () => Promise<Reply>,
      catch: (error) => new Refused((error as Error).message, false)
    })
  return {
    command: (name, ...args) => attempt(() => client.call(name, ...args)),
    preflight: (prefix, args) => attempt(() => Library.call(client, Scripts.preflight, prefix, args))
  }
}

const options = (namespace = "arpeggio:"): Preflight.Options => ({ namespace, cluster: false })

const check = (ask: Preflight.Ask, namespace?: string) => Effect.runPromise(Preflight.check(ask, options(namespace)))
const failureOf = (ask: Preflight.Ask, namespace?: string) =>
  Effect.runPromise(Effect.flip(Preflight.check(ask, options(namespace))))

/** What a check of this connection says, each line `Warning memory: …`. */
const examined = async (ask: Preflight.Ask, about: Checks.About): Promise<ReadonlyArray<string>> =>
  (await Effect.runPromise(Preflight.examine(ask, options()))).checks
    .filter((check) => check.about === about)
    .map((check) => `${check._tag}: ${check.says}`)

describe("Preflight", { timeout: 60_000 }, () => {
  let good: RedisServer.OwnServer
  beforeAll(async () => {
    good = await startServer("--maxmemory", "1gb")
  })

  it("passes a store as it should be, and writes the layout alone into one that is new", async () => {
    const ask = await asking(good)
    await check(ask, "new:")
    await check(ask, "new:")
    expect(await good.command("KEYS", "new:*")).toEqual(["new:{0}:schema"])
    expect(await good.command("GET", "new:{0}:schema")).toBe(Checks.layout)
    expect(await examined(ask, "persistence")).toEqual([
      "Ok: Every write is on disk before it is confirmed: an accepted run survives a power failure."
    ])
    expect(await examined(ask, "clock")).toEqual([expect.stringMatching(/^Ok: The clocks .* agree within \d+ ms\.$/)])
  })

  it("tells people, not workers, how long the oldest timer or lease has waited for a sweep", async () => {
    const ask = await asking(good)
    expect(await examined(ask, "sweeps")).toEqual(["Ok: No timer and no lease waits for a sweep."])
    await good.command("SET", "arpeggio:{0}:partitions", 2)
    await good.command("ZADD", "arpeggio:{0}:t", Date.now() + 60_000, "later")
    expect(await examined(ask, "sweeps")).toEqual(["Ok: No timer and no lease waits for a sweep."])
    await good.command("ZADD", "arpeggio:{1}:ws", Date.now() - 60_000, "gone")
    expect(await examined(ask, "sweeps")).toEqual([
      expect.stringMatching(/^Warning: A timer or a lease has been over for 6\d s, so nobody sweeps/)
    ])
    await good.command("DEL", "arpeggio:{0}:t", "arpeggio:{1}:ws", "arpeggio:{0}:partitions")
  })

  it("costs no more than three commands of the connection", async () => {
    const asked: Array<string> = []
    const ask = await asking(good)
    await check({
      command: (name, ...args) => {
        asked.push(name)
        return ask.command(name, ...args)
      },
      preflight: (...call) => {
        asked.push("preflight")
        return ask.preflight(...call)
      }
    })
    expect(asked).toEqual(["INFO", "preflight", "preflight"])
  })

  it("refuses data of another layout, names both and the way out, and leaves it as it is", async () => {
    await good.command("SET", "old:{0}:schema", 99)
    expect(await failureOf(await asking(good), "old:")).toMatchObject({
      _tag: "IncompatibleStore",
      message:
        `The store can't be used: The data under old: has layout 99, and this version of Arpeggio works on layout ${Checks.layout}. ` +
        "Update this process, or give it a namespace of its own."
    })
    expect(await good.command("GET", "old:{0}:schema")).toBe("99")
  })

  it("refuses a namespace that somebody else uses otherwise, and leaves it as it is", async () => {
    await good.command("HSET", "theirs:{0}:schema", "a", "b")
    expect(await failureOf(await asking(good), "theirs:")).toMatchObject({
      _tag: "IncompatibleStore",
      message: expect.stringContaining("The data under theirs: has layout ?")
    })
    expect(await good.command("HGETALL", "theirs:{0}:schema")).toEqual(["a", "b"])
  })

  it("refuses a server that evicts keys when it is full", async () => {
    const server = await startServer("--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
    const ask = await asking(server)
    expect(await failureOf(ask)).toMatchObject({
      _tag: "IncompatibleStore",
      message: expect.stringContaining(
        "evicts keys (allkeys-lru), and runs would be lost without a word. Set maxmemory-policy to noeviction"
      )
    })
    await server.command("CONFIG", "SET", "maxmemory-policy", "noeviction")
    await check(ask)
  })

  it("lets workers come to a server that is full: what is accepted must be able to end", async () => {
    const server = await startServer("--maxmemory", "1gb")
    const ask = await asking(server)
    const connect = Effect.scoped(Layer.build(RedisBroker.layer({ url: server.url })))
    await Effect.runPromise(connect)
    await server.command("CONFIG", "SET", "maxmemory", 1)
    await Effect.runPromise(Effect.provide(connect, Logger.layer([])))
    expect(await examined(ask, "memory")).toEqual([expect.stringMatching(/^Warning: The server uses .* of 1 B\.$/)])
  })

  it("asks for the primary of a replica, and is content when the replica has become one", async () => {
    const server = await startServer("--replicaof", "127.0.0.1", String(good.port))
    const ask = await asking(server)
    expect(await failureOf(ask)).toMatchObject({
      _tag: "BrokerUnavailable",
      reason: expect.stringContaining(`a replica, and takes no writes. Connect to its primary, 127.0.0.1:${good.port}`)
    })
    await server.command("REPLICAOF", "NO", "ONE")
    await check(ask, "promoted:")
  })

  it("refuses one server of a Cluster that is used alone", async () => {
    const server = await startServer("--cluster-enabled", "yes")
    expect(await failureOf(await asking(server))).toMatchObject({
      _tag: "IncompatibleStore",
      message: expect.stringContaining("belongs to a Cluster, and the connection is one to a single server")
    })
  })

  it("comes after the password: a wrong one is said, and not shown", async () => {
    const server = await startServer("--requirepass", "sesam")
    for (const [url, expected] of [
      [server.url.replace("//", "//:wrong-one@"), "does not accept the password"],
      [server.url, "asks for a password"]
    ] as const) {
      const connecting = Effect.scoped(Layer.build(RedisBroker.layer({ url, deadline: "2 seconds" })))
      const error = await Effect.runPromise(Effect.flip(connecting))
      expect(error.message).toContain(expected)
      expect(error._tag).toBe("IncompatibleStore")
      expect(error.message).not.toContain("wrong-one")
    }
  })

  it("warns once of a server that keeps nothing, and goes on", async () => {
    const server = await RedisServer.startOwn("nothing")
    servers.push(server)
    const ask = await asking(server)
    const logged: Array<unknown> = []
    const logger = Logger.layer([Logger.make(({ message }) => logged.push(message))])
    await Effect.runPromise(
      Effect.provide(Effect.andThen(Preflight.check(ask, options()), Preflight.check(ask, options())), logger)
    )
    expect(logged.flat()).toEqual([expect.stringContaining("no append-only file: a restart loses")])
    expect(await examined(ask, "persistence")).toEqual([
      "Warning: The server has no append-only file, and no snapshots either: a restart loses every run."
    ])
  })
})

describe("Preflight, as a user without all rights", { timeout: 60_000 }, () => {
  let server: RedisServer.OwnServer
  beforeAll(async () => {
    server = await startServer("--maxmemory", "1gb")
  })
  const as = async (user: string, ...rules: ReadonlyArray<string>) => {
    await server.command("ACL", "SETUSER", user, "on", ">sesam", ...rules)
    return asking(server, user)
  }

  it.each<readonly [string, ReadonlyArray<string>, string]>([
    ["fcall", ["~*", "&*", "+@all", "-fcall"], "may not run fcall."],
    ["function|load", ["~*", "&*", "+@all", "-function|load"], "may not run function|load."],
    ["info", ["~*", "&*", "+@all", "-info"], "may not run info."],
    ["get", ["~*", "&*", "+@all", "-get"], "may not run get."],
    ["set", ["~*", "&*", "+@all", "-set"], "may not run set."],
    ["what scripts call", ["~*", "&*", "+@all", "-hset", "-publish"], "may not run hset, publish."],
    ["the keys", ["~else:*", "&*", "+@all"], "may not touch the keys arpeggio:* with fcall."],
    ["the channels", ["~*", "resetchannels", "+@all"], "may not use the channels arpeggio:* with publish, subscribe."]
  ])("names the right that is missing, and the page that lists all: %s", async (what, rules, expected) => {
    await server.command("FLUSHALL")
    await server.command("FUNCTION", "FLUSH")
    const error = await failureOf(await as(what.replaceAll(" ", "-"), ...rules))
    expect(await server.command("KEYS", "*:probe")).toEqual([])
    expect(await server.command("TYPE", "arpeggio:{0}:schema")).toMatch(/none|string/)
    expect(error).toMatchObject({ _tag: "IncompatibleStore" })
    expect(error.message).toContain(
      `The user of this connection ${expected} Give it the rights that docs/redis.md lists: `
    )
  })

  it("has no need of CONFIG, and knows the eviction policy without", async () => {
    const ask = await as("plain", "~*", "&*", "+@all", "-config")
    await check(ask)
    expect(await examined(ask, "eviction")).toEqual(["Ok: The server evicts nothing."])
    expect(await examined(ask, "persistence")).toEqual(["Ok: The server keeps an append-only file."])
    await server.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    expect(await examined(ask, "eviction")).toEqual([expect.stringMatching(/^Error: .*evicts keys \(allkeys-lru\)/)])
    await server.command("CONFIG", "SET", "maxmemory-policy", "noeviction")
  })
})
