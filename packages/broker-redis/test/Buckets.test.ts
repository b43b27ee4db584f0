import { group, single } from "@arpeggio/core/testing/suite/plans"
import * as Answer from "@arpeggio/core/testing/suite/Answer"
import * as RunId from "@arpeggio/core/RunId"
import * as Effect from "effect/Effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import * as RedisServer from "./RedisServer.ts"
import * as Scene from "./Scene.ts"

let server: RedisServer.OwnServer
beforeAll(async () => {
  server = await RedisServer.startOwn("nothing")
}, 120_000)
afterAll(() => server.stop())

let stores = 0
const open = Effect.gen(function* () {
  const namespace = `buckets-${stores++}:`
  const rig = yield* Scene.rig({ url: server.url, namespace, retention: { count: 3 } })
  const keys = Effect.promise(async () =>
    ((await server.command("KEYS", `${namespace}{0}:[br]:*`)) as ReadonlyArray<string>).map((key) =>
      key.slice(`${namespace}{0}:`.length)
    )
  )
  const command = (name: string, key: string, ...args: ReadonlyArray<string | number>) =>
    Effect.promise(() => server.command(name, `${namespace}{0}:${key}`, ...args))
  return { rig, keys, command }
})

describe("Runs of one node", () => {
  it("are told apart by any ids, and keep their inputs and values as they were", () =>
    Scene.play(
      Effect.gen(function* () {
        const { rig } = yield* open
        const ids = [
          "a",
          "abc",
          "abcd",
          "abce",
          "abcde",
          "ü",
          "aüü",
          "aüö",
          "日本語の実行",
          "日本語の実績",
          "run,1,2",
          "ORDER-2026-11-30-123456789",
          "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
          "01KB9ZZQ-an-id-of-my-own-1",
          "01KB9ZZQ-with-26-bytes-\u65e5",
          "01KB9ZZQ000000000000000001",
          "01KB9ZZQ000000000000000002",
          yield* RunId.make
        ]
        for (const [n, id] of ids.entries()) yield* rig.submit(single(), { id, input: [n, `${id}\n,\u{1f3b5}`] })
        const hand = yield* rig.hand()
        const jobs = yield* hand.claim()
        expect(jobs.map(({ input, run }) => [run, input])).toEqual(
          ids.map((id, n) => [id, JSON.stringify([n, `${id}\n,\u{1f3b5}`])])
        )
        yield* hand.report(...jobs.map((job) => Answer.succeeded(job, `of ${job.run}\n\t|\u{1f3b5}`)))
        for (const [n, id] of ids.entries()) {
          const end = yield* rig.broker.await(id)
          expect(end.exit).toEqual({ _tag: "Succeeded", value: JSON.stringify(`of ${id}\n\t|\u{1f3b5}`) })
          expect((yield* rig.broker.run(id)).state).toBe("succeeded")
          expect(yield* rig.submit(single(), { id, input: [n, `${id}\n,\u{1f3b5}`] })).toBe(id)
        }
        expect(yield* hand.claim()).toEqual([])
      })
    ))

  it("have a key of their own when there is more to say of them: what is long", () =>
    Scene.play(
      Effect.gen(function* () {
        const { keys, rig } = yield* open
        const long = "x".repeat(600)
        yield* rig.submit(single(), { id: "run-1", input: long })
        yield* rig.submit(single(), { id: "run-2" })
        yield* rig.submit(single(), { id: "run-3" })
        expect((yield* keys).toSorted()).toEqual(["b:ru", "r:run-1"])
        const hand = yield* rig.hand()
        const jobs = yield* hand.claim()
        yield* hand.report(...jobs.map((job) => Answer.succeeded(job, job.run === "run-2" ? long : job.run)))
        expect((yield* keys).toSorted()).toEqual(["b:ru", "r:run-1", "r:run-2"])
        const values = yield* Effect.forEach(["run-1", "run-2", "run-3"], (id) => rig.broker.await(id))
        expect(values.map(({ exit }) => exit)).toEqual(
          ["run-1", long, "run-3"].map((value) => ({ _tag: "Succeeded", value: JSON.stringify(value) }))
        )
      })
    ))

  it("have a key of their own when there is more to say of them: failures, a further generation", () =>
    Scene.play(
      Effect.gen(function* () {
        const { keys, rig } = yield* open
        const twice = single({ attempts: 2, base: 1, jitter: false })
        yield* rig.submit(twice, { id: "run-1" })
        yield* rig.submit(single(), { id: "run-2" })
        const hand = yield* rig.hand()
        yield* hand.report(Answer.failed(yield* hand.take("a"), "Busy"))
        yield* hand.report(Answer.failed(yield* hand.take("a"), "Boom"))
        expect((yield* keys).toSorted()).toEqual(["b:ru", "r:run-1"])
        yield* rig.broker.retry("run-2")
        expect((yield* keys).toSorted()).toEqual(["r:run-1", "r:run-2"])
        expect((yield* rig.broker.run("run-2")).generation).toBe(2)
        yield* hand.play()
        expect((yield* rig.broker.run("run-2")).state).toBe("succeeded")
      })
    ))

  it("are in their bucket, whatever is under a key of their own: a store may have moved them by half", () =>
    Scene.play(
      Effect.gen(function* () {
        const { command, keys, rig } = yield* open
        yield* rig.submit(single({ attempts: 2, base: 60_000 }), { id: "run-1" })
        const before = String(yield* command("HGET", "b:ru", "n-1"))
        const hand = yield* rig.hand()
        yield* hand.report(Answer.failed(yield* hand.take("a"), "Busy"))
        yield* command("HSET", "b:ru", "n-1", before)
        expect(yield* rig.states("run-1")).toEqual({ a: "ready" })
        yield* command("HDEL", "flags", "reconciled")
        expect(yield* rig.broker.reconcile).toBe(1)
        yield* hand.play()
        expect((yield* rig.broker.await("run-1")).state).toBe("succeeded")
        yield* rig.broker.retry("run-1", "0")
        expect(yield* keys).toEqual(["r:run-1"])
        expect(yield* hand.play()).toEqual(["a"])
        expect((yield* rig.broker.run("run-1")).generation).toBe(2)
      })
    ))

  it("go with retention, and their keys with the last", () =>
    Scene.play(
      Effect.gen(function* () {
        const { keys, rig } = yield* open
        for (let n = 10; n < 20; n++) yield* rig.submit(single(), { id: `first-${n}` })
        const hand = yield* rig.hand()
        yield* hand.play()
        yield* rig.broker.sweep
        expect((yield* rig.broker.runs({ limit: 20 })).map(({ id }) => id)).toEqual([
          "first-19",
          "first-18",
          "first-17"
        ])
        expect(yield* Effect.flip(rig.broker.run("first-10"))).toMatchObject({ _tag: "RunNotFound" })
        yield* rig.submit(group(3), { id: "second" })
        for (let n = 0; n < 3; n++) yield* rig.submit(single(), { id: `third-${n}` })
        yield* hand.play()
        yield* rig.broker.sweep
        expect(yield* keys).not.toContain("b:first")
      })
    ))
})
