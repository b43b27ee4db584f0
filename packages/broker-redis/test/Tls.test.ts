import * as Client from "@arpeggio/core/Client"
import * as Task from "@arpeggio/core/Task"
import * as Worker from "@arpeggio/core/Worker"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Schema from "effect/Schema"
import { readFileSync } from "node:fs"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import * as Connection from "../src/Connection.ts"
import * as RedisBroker from "../src/RedisBroker.ts"
import * as Server from "../src/Server.ts"
import * as Authority from "./Authority.ts"
import * as RedisCluster from "./RedisCluster.ts"
import * as RedisServer from "./RedisServer.ts"
import * as Scene from "./Scene.ts"
import * as TcpProxy from "./TcpProxy.ts"

const authority = await Authority.makeWherePossible()
afterAll(() => authority?.remove())

const double = Task.make("double", { input: Schema.Int, output: Schema.Int })
const handlers = double.toLayer((n) => Effect.succeed(n * 2))

/** A worker and a client, each over connections of its own. */
const works = (options: RedisBroker.Options) => {
  const broker = RedisBroker.layer({ deadline: "3 seconds", ...options })
  const worker = Worker.layer({ tasks: [double] }).pipe(Layer.provide(handlers), Layer.provide(Layer.fresh(broker)))
  return Effect.gen(function* () {
    yield* Layer.build(worker)
    expect(yield* Effect.provide(Client.execute(double, 21), Layer.fresh(broker))).toBe(42)
  })
}

const refusal = (options: RedisBroker.Options) => Scene.refusal({ deadline: "500 millis", ...options })

describe.skipIf(authority === undefined)("RedisBroker over TLS", { timeout: 60_000 }, () => {
  const known = authority as Authority.Authority
  let ca: string
  let own: ReturnType<Authority.Authority["issue"]>
  /** Listens with TLS on a port, and without on another, for the tests. */
  let server: RedisServer.OwnServer
  let port: number
  let url: string
  beforeAll(async () => {
    ca = known.ca
    own = known.issue("client")
    port = await RedisServer.freePort()
    server = await RedisServer.startOwn("nothing", known.options(port, "anybody"))
    url = `rediss://127.0.0.1:${port}`
  }, 120_000)
  afterAll(() => server?.stop())

  it("serves a user's worker, its thread and a client, whose URL has his password and names the authority", () => {
    const logged: Array<string> = []
    const logger = Logger.make(({ message }) => void logged.push(String(message)))
    return Scene.play(
      Effect.gen(function* () {
        yield* Effect.promise(() => server.command("ACL", "SETUSER", "joe", "on", ">p@ss", "~*", "&*", "+@all"))
        const joe = (password: string) => `${url.replace("//", `//joe:${password}@`)}?ca=${ca}`
        yield* works({ url: joe("p%40ss") })
        yield* Scene.until("the thread renews the lease", async () => {
          const clients = String(await server.command("CLIENT", "LIST")).split("\n")
          const his = clients.filter(
            (client) => client.includes(`laddr=127.0.0.1:${port} `) && / user=joe /.test(client)
          )
          // The broker of the worker listens over one and calls over another; the third is that of the thread.
          return his.length === 3
        })
        expect(logged).toEqual([expect.stringContaining("no append-only file")])
        expect(yield* refusal({ url: joe("pass") })).toEqual({
          _tag: "IncompatibleStore",
          reason: expect.stringContaining(`127.0.0.1:${port} does not accept the password of user joe. Correct it`)
        })
      }).pipe(Effect.provide(Logger.layer([logger])))
    )
  })

  it.each<readonly [string, () => RedisBroker.Options]>([
    ["a host by its name", () => ({ url: `rediss://localhost:${port}?ca=${ca}` })],
    ["the authority's certificate in `tls`", () => ({ url, tls: { ca: known.pem } })],
    ["its file in `certificates`", () => ({ url, certificates: { ca } })],
    ["its certificate among the options of ioredis", () => ({ url, redis: { tls: { ca: known.pem } } })]
  ])("takes %s", (_, options) => Scene.play(works(options())))

  it("waits for much as long as a slow network needs, both ways", () =>
    Scene.play(
      Effect.gen(function* () {
        const proxy = yield* Scene.started(() => TcpProxy.start(port))
        const server = yield* Effect.fromResult(Server.fromUrl(`rediss://127.0.0.1:${proxy.port}?ca=${ca}`))
        const connection = yield* Connection.make({ server, deadline: 500, redis: {} })
        const much = "much".repeat(100_000)
        proxy.narrow(400)
        expect(yield* connection.command("SET", "much", much)).toBe("OK")
        expect(yield* connection.command("GET", "much")).toBe(much)
      })
    ))

  it("refuses a server whose certificate is of another authority, or for another host, and says what to do", () =>
    Scene.play(
      Effect.gen(function* () {
        const from = (authority: string) =>
          expect.stringMatching(
            new RegExp(
              `another authority than ${authority} .*\\?ca=/path/to/ca.crt in the URL, .certificates. in the options`
            )
          )
        const other = Authority.make("Somebody else")
        yield* Effect.addFinalizer(() => Effect.sync(other.remove))
        expect(yield* refusal({ url })).toEqual({
          _tag: "IncompatibleStore",
          reason: from("one that is known here")
        })
        expect(yield* refusal({ url: `${url}?ca=${other.ca}` })).toEqual({
          _tag: "IncompatibleStore",
          reason: from("the one that was named")
        })
        expect(yield* refusal({ url, tls: { ca: known.pem, servername: "elsewhere.example" } })).toEqual({
          _tag: "IncompatibleStore",
          reason: expect.stringContaining(`The certificate of 127.0.0.1:${port} is for other names`)
        })
      })
    ))

  it("says what is wrong with a file of a certificate, before anybody is asked", () =>
    Scene.play(
      Effect.gen(function* () {
        const reason = (files: RedisBroker.Files) =>
          Effect.map(refusal({ url, certificates: files }), (error) => `${error._tag}: ${error.reason}`)
        expect(yield* reason({ ca: "/nowhere/ca.crt" })).toMatch(/^IncompatibleStore: .*can't be read: ENOENT.*nowhere/)
        expect(yield* reason({ ca: import.meta.filename })).toContain(
          `There is no certificate in ${import.meta.filename}`
        )
        expect(yield* reason({ ca, cert: own.cert })).toContain("goes with its key")
        expect(yield* reason({ ca, cert: own.cert, key: known.issue("another").key })).toContain("key values mismatch")
      })
    ))

  it("tells TLS on one side only in a sentence", () =>
    Scene.play(
      Effect.gen(function* () {
        expect((yield* refusal({ url: url.replace("rediss", "redis") })).reason).toContain("write rediss:// instead of")
        expect((yield* refusal({ url: server.url.replace("redis", "rediss") })).reason).toContain(
          "If it speaks no TLS, write redis:// instead of rediss://"
        )
      })
    ))

  it("shows a certificate of its own where the server asks for one", () =>
    Scene.play(
      Effect.gen(function* () {
        const strict = yield* Effect.promise(() => RedisServer.freePort())
        yield* Scene.started(() => RedisServer.startOwn("nothing", known.options(strict, "known")))
        const url = `rediss://127.0.0.1:${strict}?ca=${ca}`
        yield* works({ url: `${url}&cert=${own.cert}&key=${own.key}` })
        yield* works({ url, tls: { ca: known.pem, cert: readFileSync(own.cert), key: readFileSync(own.key) } })
        expect(yield* refusal({ url })).toEqual({
          _tag: "IncompatibleStore",
          reason: expect.stringMatching(
            /asks for a certificate of the client .* Name the files of one and of its key: \?cert=/
          )
        })
        const other = Authority.make("Somebody else")
        yield* Effect.addFinalizer(() => Effect.sync(other.remove))
        const { cert, key } = other.issue("client")
        expect(yield* refusal({ url: `${url}&cert=${cert}&key=${key}` })).toEqual({
          _tag: "IncompatibleStore",
          reason: expect.stringContaining("does not accept the certificate that it was shown")
        })
      })
    ))

  it("is spoken with the nodes of a Cluster", () =>
    Scene.play(
      Effect.gen(function* () {
        const secure = yield* Effect.promise(() => RedisServer.freePort())
        const options = [...known.options(secure, "anybody"), "--tls-cluster", "yes"]
        yield* Scene.started(() => RedisCluster.startAlone(options))
        yield* works({ url: `rediss+cluster://127.0.0.1:${secure}?ca=${ca}` })
        yield* works({ cluster: [`127.0.0.1:${secure}`], certificates: { ca } })
        expect(yield* refusal({ cluster: [`127.0.0.1:${secure}`], tls: true })).toMatchObject({
          _tag: "IncompatibleStore",
          reason: expect.stringContaining("is from another authority")
        })
      })
    ))
})
