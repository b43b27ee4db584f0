import * as Answer from "@arpeggio/core/testing/suite/Answer"
import { group } from "@arpeggio/core/testing/suite/plans"
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
  const namespace = `work-${stores++}:`
  const rig = yield* Scene.rig({ url: server.url, namespace })
  const command = (name: string, key: string, ...args: ReadonlyArray<string | number>) =>
    Effect.promise(() => server.command(name, `${namespace}{0}:${key}`, ...args))
  /** What was deferred, and not done yet or not taken away. */
  const work = Effect.map(command("LRANGE", "d:large", 0, -1), (items) => items as ReadonlyArray<string>)
  return { rig, command, work }
})

/** More starts than one call makes, and more ends than one handles. */
const large = group(2_000)

/** All of it is claimed; of most the end is reported in one call, which leaves their edges to others. */
const begin = Effect.gen(function* () {
  const store = yield* open
  const { rig, work } = store
  yield* rig.submit(large, { id: "large" })
  const hand = yield* rig.hand()
  yield* rig.broker.sweep
  const jobs = yield* hand.claim(2_000)
  expect(jobs.length).toBe(2_000)
  yield* hand.report(...jobs.slice(0, 1_800).map((job) => Answer.succeeded(job)))
  expect((yield* work).length).toBe(1_300)
  const finish = Effect.gen(function* () {
    yield* hand.report(...jobs.slice(1_800).map((job) => Answer.succeeded(job)))
    yield* rig.broker.sweep
    expect((yield* rig.broker.await("large")).state).toBe("succeeded")
    expect(yield* work).toEqual([])
  })
  return { ...store, hand, finish }
})

describe("Deferred work of a run whose store has carried out half a transition", () => {
  it("is not done twice when it had not been taken away", () =>
    Scene.play(
      Effect.gen(function* () {
        const { command, finish, hand, rig, work } = yield* begin
        const before = yield* work
        yield* hand.report()
        const after = yield* work
        expect(after.length).toBe(800)
        yield* command("LPUSH", "d:large", ...before.slice(0, 500).toReversed())
        yield* rig.broker.sweep
        expect((yield* rig.states("large"))["all"]).toBe("blocked")
        yield* finish
      })
    ))

  it("is not added twice when the run had not been written", () =>
    Scene.play(
      Effect.gen(function* () {
        const { command, finish } = yield* begin
        yield* command("RPUSH", "d:large", "1800 1", "1801 zzz")
        yield* finish
      })
    ))

  it("damages the run when it is lost, rather than letting it stand still", () =>
    Scene.play(
      Effect.gen(function* () {
        const { command, rig } = yield* open
        yield* rig.submit(large, { id: "large" })
        yield* command("DEL", "d:large")
        yield* (yield* rig.hand()).play()
        expect(yield* Effect.flip(rig.broker.await("large"))).toMatchObject({
          _tag: "RunDamaged",
          issue: "its deferred work is unreadable"
        })
      })
    ))
})
