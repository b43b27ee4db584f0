import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { describe, expect, it } from "vitest"
import type * as RedisBroker from "../src/RedisBroker.ts"
import * as Server from "../src/Server.ts"

const fromUrl = (url: Parameters<typeof Server.fromUrl>[0]) => Result.getOrThrow(Server.fromUrl(url))

describe("Server", () => {
  it("is told by its URL", () => {
    expect(fromUrl("redis://a:1")).toEqual({
      _tag: "Standalone",
      address: { host: "a", port: 1 },
      db: 0,
      username: undefined,
      password: undefined,
      tls: false,
      certificates: undefined
    })
    expect(fromUrl("redis://[::1]/3")).toMatchObject({ address: { host: "::1", port: 6_379 }, db: 3 })
    expect(fromUrl("redis+socket://me:p%40ss@/run/my%20redis.sock?db=2")).toEqual({
      _tag: "Standalone",
      address: { path: "/run/my redis.sock" },
      db: 2,
      username: "me",
      password: Redacted.make("p@ss"),
      tls: false
    })
    expect(fromUrl("redis+socket:///run/redis.sock")).toMatchObject({ address: { path: "/run/redis.sock" }, db: 0 })
    expect(fromUrl("redis+sentinel://a:1,b,[::1]:3/prime/2?sentinelPassword=a%2Fb&sentinelUsername=guard")).toEqual({
      _tag: "Sentinel",
      sentinels: [
        { host: "a", port: 1 },
        { host: "b", port: 26_379 },
        { host: "::1", port: 3 }
      ],
      name: "prime",
      db: 2,
      username: undefined,
      password: undefined,
      tls: false,
      certificates: undefined,
      sentinelUsername: "guard",
      sentinelPassword: Redacted.make("a/b")
    })
    const url = Redacted.make("rediss+cluster://me:p%40ss:word@a,b:7000?ca=/etc/ca.crt&cert=own.crt&key=own.key")
    const cluster = Server.revealed(fromUrl(url))
    expect(cluster).toEqual({
      _tag: "Cluster",
      nodes: [
        { host: "a", port: 6_379 },
        { host: "b", port: 7_000 }
      ],
      username: "me",
      password: "p@ss:word",
      tls: true,
      certificates: { ca: "/etc/ca.crt", cert: "own.crt", key: "own.key" }
    })
  })

  it.each([
    ["localhost:6379", "none of a Redis"],
    ["http://a", "none of a Redis"],
    ["redis://", "none of a Redis"],
    ["redis://:pa/ss@a", "none of a Redis"],
    ["redis://a,b", "names several hosts"],
    ["redis://a/shop", "the number of a database"],
    ["redis+sentinel://a/prime/shop", "the number of a database"],
    ["redis://a?ca=ca.crt", "names certificates, and no TLS"],
    ["rediss://a?cacert=ca.crt", "a parameter cacert"],
    ["redis+cluster://a?sentinelPassword=x", "a parameter sentinelPassword"],
    ["redis+socket://run/redis.sock", "none of a socket"],
    ["rediss+socket:///run/redis.sock", "none of a socket"],
    ["redis+socket:///run/redis.sock?db=one", "none of a socket"]
  ])("says what is wrong with the URL %s", (url, expected) => {
    const read = Server.fromUrl(url)
    expect(Result.isFailure(read) && read.failure.reason).toContain(expected)
  })

  it("is one of the three, never two at once", () => {
    const sentinels = [{ host: "a", port: 1 }]
    const good: ReadonlyArray<RedisBroker.Options> = [
      { url: "redis://a", partitions: 2 },
      { sentinels, name: "prime", tls: true },
      { cluster: ["redis://a", { host: "b", port: 2 }], password: Redacted.make("secret") }
    ]
    expect(good).toHaveLength(3)
    // @ts-expect-error: a URL and a cluster
    const both: RedisBroker.Options = { url: "redis://a", cluster: [] }
    // @ts-expect-error: the primary needs its name
    const nameless: RedisBroker.Options = { sentinels }
    // @ts-expect-error: the URL has the password
    const password: RedisBroker.Options = { url: "redis://a", password: "secret" }
    expect([both, nameless, password]).toHaveLength(3)
  })

  it("can be described and looked at without its secrets", () => {
    for (const url of [
      "redis://me:secret@a:1/0",
      "redis+sentinel://me:secret@a:1,b:2/prime",
      "redis+cluster://:secret@a:1",
      "redis+socket://:secret@/run/redis.sock",
      "rediss+sentinel://a?sentinelPassword=secret"
    ]) {
      const server = fromUrl(Redacted.make(url))
      expect(`${Server.describe(server)} ${JSON.stringify(server)} ${String(server)}`).not.toContain("secret")
      expect(Server.withoutSecrets(url)).not.toContain("secret")
    }
    expect(Server.withoutSecrets("rediss://me:secret@a/1?ca=f")).toBe("rediss://me@a/1?ca=f")
    const both = "redis+sentinel://:secret@a,b/prime?sentinelPassword=secret&sentinelUsername=guard"
    expect(Server.withoutSecrets(both)).toBe("redis+sentinel://a,b/prime?sentinelUsername=guard")
    expect(Server.describe(fromUrl("redis+sentinel://a:1,b:2/prime"))).toBe("prime of the Sentinels a:1, b:2")
  })
})
