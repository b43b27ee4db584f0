import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { describe, expect, it } from "vitest"
import * as GroupCommit from "../src/GroupCommit.ts"

describe("A group commit", () => {
  it("answers each with its own, at most so many at once, in order", async () => {
    const batches: Array<ReadonlyArray<number>> = []
    const double = GroupCommit.make({
      most: 3,
      mostWeight: Infinity,
      weigh: () => 1,
      send: (items: ReadonlyArray<number>) => {
        batches.push(items)
        return Effect.andThen(Effect.yieldNow, Effect.succeed(items.map((n) => 2 * n)))
      }
    })
    const all = Effect.forEach([1, 2, 3, 4, 5, 6], double, { concurrency: "unbounded" })
    expect(await Effect.runPromise(all)).toEqual([2, 4, 6, 8, 10, 12])
    expect(batches).toEqual([[1], [2, 3, 4], [5, 6]])
  })

  it("sends no more together than a weight, and what is heavier alone", async () => {
    const batches: Array<ReadonlyArray<number>> = []
    const echo = GroupCommit.make({
      most: 100,
      mostWeight: 10,
      weigh: (item: number) => item,
      send: (items) => {
        batches.push(items)
        return Effect.andThen(Effect.yieldNow, Effect.succeed(items))
      }
    })
    const weights = [1, 4, 6, 7, 30, 2, 2, 2]
    expect(await Effect.runPromise(Effect.forEach(weights, echo, { concurrency: "unbounded" }))).toEqual(weights)
    expect(batches).toEqual([[1], [4, 6], [7], [30], [2, 2, 2]])
  })

  it("lets any number who wait leave together, and serves who comes then", async () => {
    const open = Deferred.makeUnsafe<void>()
    const sent: Array<number> = []
    const echo = GroupCommit.make({
      most: 100,
      mostWeight: Infinity,
      weigh: () => 1,
      send: (items: ReadonlyArray<number>) => {
        sent.push(...items)
        return Effect.as(Deferred.await(open), items)
      }
    })
    await Effect.runPromise(
      Effect.gen(function* () {
        const numbers = Array.from({ length: 200_000 }, (_, n) => n)
        const crowd = yield* Effect.forkChild(
          Effect.forEach(numbers, echo, { concurrency: "unbounded", discard: true }),
          {
            startImmediately: true
          }
        )
        yield* Fiber.interrupt(crowd)
        const late = yield* Effect.forkChild(echo(-1), { startImmediately: true })
        yield* Deferred.succeed(open, undefined)
        expect(yield* Fiber.join(late)).toBe(-1)
        expect(sent).toEqual([0, -1])
      })
    )
  })
})
