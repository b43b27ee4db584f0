import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import * as Connection from "../src/Connection.ts"
import type { Script } from "../src/Scripts.ts"
import * as Server from "../src/Server.ts"
import * as RedisServer from "./RedisServer.ts"
import * as Scene from "./Scene.ts"
import * as TcpProxy from "./TcpProxy.ts"

let server: RedisServer.OwnServer
let proxy: TcpProxy.TcpProxy
beforeAll(async () => {
  server = await RedisServer.startOwn("everything")
  proxy = await TcpProxy.start(server.port)
}, 120_000)
afterAll(async () => {
  await proxy?.stop()
  await server?.stop()
})

const open = (url: string, deadline = 500) =>
  Effect.flatMap(Effect.fromResult(Server.fromUrl(Redacted.make(url))), (server) =>
    Connection.make({ server, deadline, redis: {} })
  )

const script = (source: string): Script => ({
  name: "test",
  code: `#!lua name=test\nredis.register_function("test", function() ${source} end)`
})

/** What a call ends with that Redis refuses. */
const refusal = (call: Effect.Effect<unknown, unknown>) =>
  Effect.catchDefect(Effect.andThen(call, Effect.die("it was not refused")), (defect) => Effect.succeed(defect))

describe("Connection", { timeout: 30_000 }, () => {
  it("tries a call again while the server loads, is a replica, or has no connection, within the deadline", () =>
    Scene.play(
      Effect.gen(function* () {
        const connection = yield* open(server.url, 5_000)
        yield* Effect.promise(() => server.command("REPLICAOF", "127.0.0.1", 1))
        const call = yield* Effect.forkScoped(connection.command("SET", "promoted", "yes"), { startImmediately: true })
        yield* Effect.promise(() => server.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"))
        yield* Effect.promise(() => server.command("REPLICAOF", "NO", "ONE"))
        expect(yield* Fiber.join(call)).toBe("OK")
        expect(yield* Effect.promise(() => server.command("GET", "promoted"))).toBe("yes")
      })
    ))

  it("says after the deadline what kept it from an answer", () =>
    Scene.play(
      Effect.gen(function* () {
        const connection = yield* open(server.url)
        yield* Effect.promise(() => server.command("REPLICAOF", "127.0.0.1", 1))
        const error = yield* Effect.flip(connection.command("SET", "a", "b"))
        yield* Effect.promise(() => server.command("REPLICAOF", "NO", "ONE"))
        expect(error.message).toContain("did not answer within 500 ms")
        expect(error.message).toMatch(/What happened last: (READONLY|the connection broke|there is no connection)/)
      })
    ))

  it("does not hold against the server for how long this process was blocked", () =>
    Scene.play(
      Effect.gen(function* () {
        const connection = yield* open(server.url)
        for (let i = 0; i < 5; i++) {
          const call = yield* Effect.forkScoped(connection.command("PING"), { startImmediately: true })
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 600)
          expect(yield* Fiber.join(call)).toBe("PONG")
        }
      })
    ))

  it("waits for much as long as a slow network needs, both ways, and for little no longer than the deadline", () =>
    Scene.play(
      Effect.gen(function* () {
        const connection = yield* open(proxy.url)
        const much = "much".repeat(100_000)
        proxy.narrow(400)
        expect(yield* connection.command("SET", "much", much)).toBe("OK")
        expect(yield* connection.command("GET", "much")).toBe(much)
        // What is small waits for what is on its way before it.
        const both = yield* Effect.all([connection.command("SET", "much", much), connection.command("PING")], {
          concurrency: 2
        })
        expect(both).toEqual(["OK", "PONG"])
        proxy.narrow(Infinity)
        proxy.blackHole()
        const error = yield* Effect.flip(connection.command("PING"))
        proxy.heal()
        expect(error.reason).toContain("within 500 ms")
      })
    ))

  it("gives an answer up that stops in the middle", () =>
    Scene.play(
      Effect.gen(function* () {
        const connection = yield* open(proxy.url)
        yield* connection.command("SET", "long", "long".repeat(100_000))
        yield* connection.command("CLIENT", "SETNAME", "stops")
        proxy.narrow(400)
        const call = yield* Effect.forkScoped(Effect.flip(connection.command("GET", "long")), {
          startImmediately: true
        })
        yield* Scene.until("the answer is sent", async () =>
          /name=stops .*cmd=get/.test((await server.command("CLIENT", "LIST")) as string)
        )
        proxy.blackHole()
        expect((yield* Fiber.join(call)).message).toContain("did not answer")
        proxy.narrow(Infinity)
        proxy.heal()
        expect(yield* Effect.retry(connection.command("CLIENT", "GETNAME"), { times: 20 })).not.toBe("stops")
      })
    ))

  it("does nothing later that its caller has given up before it was sent", () =>
    Scene.play(
      Effect.gen(function* () {
        const connection = yield* open(server.url)
        yield* Effect.promise(server.kill)
        for (let i = 0; i < 3; i++) yield* Effect.flip(connection.command("INCR", "late"))
        yield* Effect.promise(server.restart)
        yield* Effect.retry(connection.command("SET", "now", "1"), { times: 20 })
        expect(yield* Effect.promise(() => server.command("GET", "late"))).toBe(null)
      })
    ))

  it("serves over a new connection after one that swallowed a call", () =>
    Scene.play(
      Effect.gen(function* () {
        const connection = yield* open(proxy.url)
        yield* connection.command("CLIENT", "SETNAME", "first")
        proxy.blackHole()
        yield* Effect.flip(connection.command("GET", "a"))
        proxy.heal()
        expect(yield* Effect.retry(connection.command("CLIENT", "GETNAME"), { times: 20 })).not.toBe("first")
      })
    ))

  it("ends a call at once with a defect where Redis refuses it, and tells data from rights", () =>
    Scene.play(
      Effect.gen(function* () {
        const connection = yield* open(server.url, 20_000)
        yield* connection.command("SET", "text", "x")
        const wrongType = yield* refusal(connection.command("HGET", "text", "field"))
        expect(wrongType).toBeInstanceOf(Connection.Refused)
        expect(wrongType).toMatchObject({ isOfData: true })
        const failing = yield* refusal(connection.run(script("return {}.a.b"), "p:", []))
        expect(failing).toMatchObject({ name: "Refused", isOfData: true })
        yield* Effect.promise(() =>
          server.command("ACL", "SETUSER", "reader", "on", ">pw", "~*", "&*", "+@all", "-hset")
        )
        const reader = yield* open(server.url.replace("//", "//reader:pw@"), 20_000)
        const forbidden = yield* refusal(reader.command("HSET", "a", "b", "c"))
        expect(forbidden).toMatchObject({ name: "Refused", isOfData: false })
        expect((forbidden as Error).message).toMatch(/hset.*docs\/redis\.md/s)
      })
    ))

  it("goes to the database it was told, or nowhere", () =>
    Scene.play(
      Effect.gen(function* () {
        yield* (yield* open(`${server.url}/3`)).command("SET", "where", "in 3")
        expect(yield* Effect.promise(() => server.command("GET", "where"))).toBe(null)
        const error = yield* Effect.flip(open(`${server.url}/99`))
        expect(error).toMatchObject({ _tag: "IncompatibleStore", reason: expect.stringContaining("no database 99") })
        yield* Effect.promise(() =>
          server.command("ACL", "SETUSER", "first", "on", ">pw", "~*", "&*", "+@all", "-select")
        )
        const kept = yield* Effect.flip(open(`${server.url.replace("//", "//first:pw@")}/3`))
        expect(kept).toMatchObject({ _tag: "IncompatibleStore", reason: expect.stringContaining("'select' command") })
      })
    ))

  it("ends calls with a defect once it is not let in any more, and tells what the server says", () =>
    Scene.play(
      Effect.gen(function* () {
        yield* Effect.promise(() => server.command("ACL", "SETUSER", "guest", "on", ">pw", "~*", "&*", "+@all"))
        const connection = yield* open(server.url.replace("//", "//guest:pw@"), 20_000)
        yield* connection.command("PING")
        yield* Effect.promise(() => server.command("ACL", "DELUSER", "guest"))
        const refused = yield* refusal(connection.command("PING"))
        expect(refused).toMatchObject({ name: "Refused", isOfData: false })
        expect((refused as Error).message).toMatch(/^Redis does not let us in: WRONGPASS [^.]*\. Correct the user name/)
      })
    ))

  it("hears messages again after the connection that listens was cut, swallowed, or left without a word, or lost its server", () =>
    Scene.play(
      Effect.gen(function* () {
        const connection = yield* open(proxy.url)
        const heard: Array<string> = []
        for (const channel of ["one", "two"])
          yield* connection.listen(channel, {
            hear: (message) => heard.push(`${channel} ${message}`),
            isNeeded: () => true,
            left: () => {}
          })
        const hears = (message: string) =>
          Effect.promise(async () => {
            for (let i = 0; i < 1_000 && !heard.includes(`two ${message}`); i++) {
              await server.command("PUBLISH", "two", message)
              await new Promise((resolve) => setTimeout(resolve, 10))
            }
            expect(heard).toContain(`two ${message}`)
          })
        yield* hears("at first")
        yield* Effect.promise(() => server.command("CLIENT", "KILL", "TYPE", "pubsub"))
        yield* hears("after a kill")
        proxy.blackHole()
        yield* Effect.flip(connection.command("GET", "a"))
        proxy.heal()
        yield* hears("after a silence")
        // Nothing closes this connection, and nobody but who listens uses it.
        proxy.strand()
        yield* hears("after a stranding")
        yield* Effect.promise(server.kill)
        yield* Effect.promise(server.restart)
        yield* hears("after a crash")
      })
    ))
})
