import * as Answer from "@arpeggio/core/testing/suite/Answer"
import * as PlanBuilder from "@arpeggio/core/testing/PlanBuilder"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { Redis } from "ioredis"
import { globSync, readFileSync } from "node:fs"
import * as path from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { Refused } from "../src/Connection.ts"
import type * as RedisBroker from "../src/RedisBroker.ts"
import * as Rights from "../src/Rights.ts"
import * as RedisCluster from "./RedisCluster.ts"
import * as RedisServer from "./RedisServer.ts"
import * as Scene from "./Scene.ts"

const root = path.join(import.meta.dirname, "../../..")

/** The command of the docs, as its words. */
const documented = (): ReadonlyArray<string> => {
  const page = readFileSync(path.join(root, "docs/redis.md"), "utf8")
  const block = /```sh\nredis-cli (ACL SETUSER arpeggio [^`]*)```/.exec(page)![1]!
  return block.replaceAll(/['\\]/g, "").trim().split(/\s+/)
}

const granted = (): ReadonlyArray<string> =>
  documented().flatMap((word) => (word.startsWith("+") ? [word.slice(1)] : []))

/** What the docs add for a Cluster. */
const added = (): ReadonlyArray<string> =>
  /In a Cluster add `([^`]*)`/.exec(readFileSync(path.join(root, "docs/redis.md"), "utf8"))![1]!.split(" ")

let server: RedisServer.OwnServer
beforeAll(async () => {
  server = await RedisServer.startOwn("everything", ["--maxmemory", "1gb"])
  const [name, ...args] = documented()
  await server.command(name!, ...args)
}, 120_000)
afterAll(() => server.stop())

const url = () => server.url.replace("redis://", "redis://arpeggio:change-this-password@")

const connect = (options: RedisBroker.Settings = {}) => Scene.rig({ url: url(), ...options })

/** Who was refused what, since the log was reset. */
const refusals = async (): Promise<ReadonlyArray<unknown>> =>
  (await server.command("ACL", "LOG")) as ReadonlyArray<unknown>

describe("the user of the docs", { timeout: 60_000 }, () => {
  it("has the rights that are probed at the start, and no others", () => {
    expect(granted().toSorted()).toEqual([...Rights.commands].toSorted())
  })

  it("may run every command that stands in a script", () => {
    const folder = path.join(root, "packages/broker-redis/src/scripts")
    const called = globSync("*.lua", { cwd: folder }).flatMap((file) =>
      Array.from(
        readFileSync(path.join(folder, file), "utf8").matchAll(/\b(?:p?call|callWith|try)\(\s*['"]([A-Za-z]+)['"]/g),
        ([, name]) => name!.toLowerCase()
      )
    )
    expect(called).toContain("hset")
    expect([...new Set(called)].filter((name) => !granted().includes(name))).toEqual([])
  })

  it("is all that runs, workers, watchers and sweeps need", () =>
    Scene.play(
      Effect.gen(function* () {
        yield* Effect.promise(() => server.command("ACL", "LOG", "RESET"))
        const rig = yield* connect()
        const { broker } = rig
        const fan = PlanBuilder.make("fan", (p) => {
          const split = p.task("split")
          return p.each("each", { over: split }, (p) => p.task("part"))
        })
        const retried = PlanBuilder.make("retried", (p) =>
          p.task("r", { policy: { attempts: 2, backoff: "fixed", base: 1, jitter: false } })
        )
        const large = PlanBuilder.make("large", (p) => p.each("each", { over: "input" }, (p) => p.task("part")))
        const seen = yield* Effect.forkScoped(Stream.runHead(broker.events()), { startImmediately: true })
        while ((yield* Effect.promise(() => server.command("HEXISTS", "arpeggio:{0}:flags", "watched"))) !== 1)
          yield* Effect.yieldNow
        const [first, second, third, fourth] = [
          yield* rig.submit(fan),
          yield* rig.submit(retried),
          yield* rig.submit(large, { elements: { each: Array.from({ length: 1_200 }, (_, i) => i) } }),
          yield* rig.submit(retried)
        ]
        const awaited = yield* Effect.forkScoped(broker.await(first), { startImmediately: true })
        const lost = yield* rig.hand()
        yield* lost.release(...(yield* lost.claim(2)))
        yield* lost.claim(1)
        yield* broker.unregister(lost.id)
        const hand = yield* rig.hand()
        expect(yield* broker.cancel(fourth)).toBe(true)
        let failures = 0
        while ((yield* broker.run(second)).state === "running" || (yield* broker.run(third)).state === "running") {
          yield* hand.play({
            split: (job) => Answer.decided(job, { each: Array.from({ length: 700 }, (_, i) => i) }),
            r: (job) => (failures++ < 3 ? Answer.failed(job, "Boom") : Answer.succeeded(job))
          })
          yield* broker.sweep
        }
        expect((yield* Fiber.join(awaited)).state).toBe("succeeded")
        expect((yield* broker.await(second)).state).toBe("failed")
        yield* broker.retry(second)
        while ((yield* broker.run(second)).state === "running") yield* hand.play()
        expect((yield* broker.await(second)).state).toBe("succeeded")
        expect(yield* broker.renew(hand.id, [])).toMatchObject({ unknown: false })
        yield* broker.sweep
        expect((yield* broker.runs({ limit: 10 })).map(({ state }) => state)).toEqual([
          "cancelled",
          "succeeded",
          "succeeded",
          "succeeded"
        ])
        expect((yield* broker.nodes(third, { limit: 2_000 })).length).toBeGreaterThan(1_200)
        yield* broker.queues
        expect((yield* broker.workers).map(({ id }) => id)).toEqual([hand.id])
        expect(yield* Fiber.join(seen)).toMatchObject({ _tag: "Some" })
        expect(yield* Effect.promise(refusals)).toEqual([])
      })
    ))

  it("may finish runs in a Redis that is full and has lost its functions", () =>
    Scene.play(
      Effect.gen(function* () {
        yield* Effect.promise(() => server.command("ACL", "LOG", "RESET"))
        const rig = yield* connect({ namespace: "arpeggio:full:" })
        const id = yield* rig.submit(PlanBuilder.make("one", (p) => p.task("a")))
        yield* Effect.promise(() => server.command("CONFIG", "SET", "maxmemory", 1))
        yield* Effect.promise(() => server.command("FUNCTION", "FLUSH"))
        yield* Effect.gen(function* () {
          yield* (yield* rig.hand()).play()
          expect((yield* rig.broker.await(id)).state).toBe("succeeded")
        }).pipe(Effect.ensuring(Effect.promise(() => server.command("CONFIG", "SET", "maxmemory", "1gb"))))
        expect(yield* Effect.promise(refusals)).toEqual([])
      })
    ))

  it("may remove ended runs, and nothing it does is refused there either", () =>
    Scene.play(
      Effect.gen(function* () {
        yield* Effect.promise(() => server.command("ACL", "LOG", "RESET"))
        const rig = yield* connect({ namespace: "arpeggio:brief:", retention: { count: 0, age: 0 } })
        const id = yield* rig.submit(PlanBuilder.make("one", (p) => p.task("a")))
        yield* (yield* rig.hand()).play()
        yield* rig.broker.sweep
        expect(yield* Effect.flip(rig.broker.run(id))).toMatchObject({ _tag: "RunNotFound" })
        expect(yield* Effect.promise(refusals)).toEqual([])
      })
    ))

  it("is all that a Cluster needs, with what the docs add for it", () =>
    Scene.play(
      Effect.gen(function* () {
        const node = yield* Scene.started(() => RedisCluster.startAlone())
        const tell = (...[name, ...args]: ReadonlyArray<string>) => Effect.promise(() => node.command(name!, ...args))
        yield* tell(...documented(), ...added())
        const cluster = { cluster: [node.url], username: "arpeggio", password: "change-this-password" }
        const rig = yield* Scene.rig({ ...cluster, partitions: 2 })
        const ids = yield* Effect.forEach(Array.from({ length: 6 }), () =>
          rig.submit(PlanBuilder.make("one", (p) => p.task("a")))
        )
        const hand = yield* rig.hand()
        while ((yield* hand.play()).length > 0) yield* rig.broker.sweep
        for (const id of ids) expect((yield* rig.broker.await(id)).state).toBe("succeeded")
        expect(yield* tell("ACL", "LOG")).toEqual([])
      })
    ))

  it.each(
    [
      ["FLUSHALL"],
      ["FLUSHDB"],
      ["CONFIG", "GET", "*"],
      ["CONFIG", "SET", "maxmemory", "1"],
      ["KEYS", "*"],
      ["SCAN", "0"],
      ["ACL", "LIST"],
      ["SHUTDOWN"],
      ["REPLICAOF", "NO", "ONE"],
      ["MODULE", "LIST"],
      ["SCRIPT", "FLUSH"],
      ["CLIENT", "LIST"],
      ["GET", "other:key"],
      ["SET", "other:key", "1"],
      ["PUBLISH", "other", "x"],
      ["SUBSCRIBE", "other"],
      ["EVAL", "return redis.call('GET', 'other:key')", "0"],
      ["EVAL", "return redis.call('FLUSHALL')", "0"],
      ["EVAL", "return redis.call('PUBLISH', 'other', 'x')", "0"]
    ].map((words) => [words.join(" "), words] as const)
  )("is refused %s", async (_, [name, ...args]) => {
    const client = new Redis(url(), { lazyConnect: true, protocol: 2, maxRetriesPerRequest: 0 })
    client.on("error", () => {})
    try {
      await client.connect()
      await expect(client.call(name!, ...args)).rejects.toThrow(
        /NOPERM|ACL failure in script|The user executing the script can't (run this|access at least one|publish to)/
      )
    } finally {
      client.disconnect()
    }
  })

  it("is told which right is missing when it may run scripts and not listen", () =>
    Scene.play(
      Effect.gen(function* () {
        yield* Effect.promise(() => server.command("ACL", "SETUSER", "arpeggio", "-subscribe"))
        const error = yield* Effect.flip(connect())
        yield* Effect.promise(() => server.command("ACL", "SETUSER", "arpeggio", "+subscribe"))
        expect(error._tag).toBe("IncompatibleStore")
        expect(error.message).toContain("may not run subscribe. Give it the rights that docs/redis.md lists")
      })
    ))

  it.each([
    ["of a call", "llen", /no permissions to run the 'llen' command/],
    ["of a script", "hset", /(The user executing the script can't run this|no permissions to run the 'hset') command/]
  ])("is told at once when it loses a right later: one %s", (_, right, expected) =>
    Scene.play(
      Effect.gen(function* () {
        const rig = yield* connect({ namespace: `arpeggio:${right}:` })
        yield* rig.submit(PlanBuilder.make("one", (p) => p.task("a")))
        yield* Effect.promise(() => server.command("ACL", "SETUSER", "arpeggio", `-${right}`))
        const call = Effect.andThen(rig.submit(PlanBuilder.make("two", (p) => p.task("a"))), rig.broker.queues)
        const exit = yield* Effect.exit(call)
        yield* Effect.promise(() => server.command("ACL", "SETUSER", "arpeggio", `+${right}`))
        const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
        expect(error).toBeInstanceOf(Refused)
        expect((error as Refused).message).toMatch(expected)
        expect((error as Refused).message).toContain(
          "docs/redis.md lists all the rights it needs, `arpeggio doctor` names those it lacks."
        )
      })
    )
  )

  it("is told which right is missing and where all are listed, for another namespace", () =>
    Scene.play(
      Effect.gen(function* () {
        const error = yield* Effect.flip(connect({ namespace: "other:" }))
        expect(error._tag).toBe("IncompatibleStore")
        expect(error.message).toContain("may not touch the keys other:* with fcall")
        expect(error.message).toContain("docs/redis.md")
      })
    ))
})
