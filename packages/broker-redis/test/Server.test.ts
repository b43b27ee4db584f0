import * as Redacted from "effect/Redacted"
import { describe, expect, it } from "vitest"
import type * as RedisBroker from "../src/RedisBroker.ts"
import * as Server from "../src/Server.ts"

describe("Server", () => {
  it("is told by its URL", () => {
    expect(Server.fromUrl("redis://a:1")).toEqual({ _tag: "Standalone", url: "redis://a:1" })
    expect(Server.fromUrl("redis+sentinel://a:1,b,[::1]:3/prime/2")).toEqual({
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
      tls: false
    })
    const cluster = Server.revealed(Server.fromUrl(Redacted.make("rediss+cluster://me:p%40ss:word@a,b:7000")))
    expect(cluster).toEqual({
      _tag: "Cluster",
      nodes: [
        { host: "a", port: 6_379 },
        { host: "b", port: 7_000 }
      ],
      username: "me",
      password: "p@ss:word",
      tls: true
    })
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
      "redis://me:secret@"
    ]) {
      const server = Server.fromUrl(Redacted.make(url))
      expect(`${Server.describe(server)} ${JSON.stringify(server)} ${String(server)}`).not.toContain("secret")
    }
    expect(Server.describe(Server.fromUrl("redis+sentinel://a:1,b:2/prime"))).toBe("prime of the Sentinels a:1, b:2")
  })
})
