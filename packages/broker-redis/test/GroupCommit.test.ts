import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { describe, expect, it } from "vitest"
import * as GroupCommit from "../src/GroupCommit.ts"

describe("A group commit", () => {
  it("answers each with its own, at most so many at once, in order", async () => {
    const batches: Array<ReadonlyArray<number>> = []
    const double = GroupCommit.make(3, (items: ReadonlyArray<number>) => {
      batches.push(items)
      return Effect.andThen(Effect.yieldNow, Effect.succeed(items.map((n) => 2 * n)))
    })
    const all = Effect.forEach([1, 2, 3, 4, 5, 6], double, { concurrency: "unbounded" })
    expect(await Effect.runPromise(all)).toEqual([2, 4, 6, 8, 10, 12])
    expect(batches).toEqual([[1], [2, 3, 4], [5, 6]])
  })

  it("lets any number who wait leave together, and serves who comes then", async () => {
    const open = Deferred.makeUnsafe<void>()
    const sent: Array<number> = []
    const echo = GroupCommit.make(100, (items: ReadonlyArray<number>) => {
      sent.push(...items)
      return Effect.as(Deferred.await(open), items)
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
