import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Deferred from "effect/Deferred"
import { beforeEach, describe, expect, it } from "vitest"
import * as Hints from "../src/Hints.ts"

let hints: Hints.Hints
beforeEach(() => {
  hints = Hints.make()
  for (const worker of ["holder", "other"]) Hints.listenTo(hints, worker)
})

const give = (worker: string, run: string, nonce: string) =>
  Effect.runPromise(Hints.giving(hints, worker, Effect.void, () => [{ run, nonce }]))

/** What a worker has been told to do, if anything. */
const told = (worker: string) =>
  Effect.runPromise(Effect.raceFirst(Hints.wake(hints, worker), Effect.succeed("nothing")))

describe("A message that a run closes", () => {
  it("reaches who holds something of it, and nobody else", async () => {
    await give("holder", "run-1", "n")
    await give("other", "run-2", "m")
    Hints.subscriptions(hints).wake.hear("\nrun-1")
    expect([await told("holder"), await told("other")]).toEqual(["interrupt", "nothing"])
    expect([Hints.takeClosing(hints, "holder"), Hints.takeClosing(hints, "other")]).toEqual([["run-1"], []])
  })

  it("comes with the workers for which there is work", async () => {
    await give("holder", "run-1", "n")
    Hints.subscriptions(hints).wake.hear("elsewhere\tother\nrun-3\trun-1")
    expect([await told("holder"), await told("other")]).toEqual(["interrupt", "claim"])
  })

  it("reaches nobody who has answered", async () => {
    await give("holder", "run-1", "n")
    Hints.letGo(hints, "holder", ["n"])
    Hints.subscriptions(hints).wake.hear("\nrun-1")
    expect(await told("holder")).toBe("nothing")
  })

  it("counts when it overtakes the answer that gives something of the run", async () => {
    const answer = Deferred.makeUnsafe<void>()
    const call = Hints.giving(hints, "holder", Deferred.await(answer), () => [{ run: "run-1", nonce: "n" }])
    const calling = Effect.runFork(call)
    Hints.subscriptions(hints).wake.hear("\nrun-1")
    expect(await told("holder")).toBe("nothing")
    Deferred.doneUnsafe(answer, Effect.void)
    await Effect.runPromise(Fiber.join(calling))
    expect(await told("holder")).toBe("interrupt")
  })
})
