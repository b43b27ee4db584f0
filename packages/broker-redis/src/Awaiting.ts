/**
 * Waits for the end of a run: a message says when it has come, and mostly what it is. Whoever waits also asks by itself now
 * and then, because a message may be lost.
 */
import type { RunEnd } from "@arpeggio/core/Broker"
import type { BrokerUnavailable, RunDamaged, RunNotFound } from "@arpeggio/core/Failure"
import type { Plan } from "@arpeggio/core/Plan"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type { Hints } from "./Hints.ts"
import * as Record from "./Record.ts"
import type { Runs } from "./Runs.ts"

/**
 * How long a run may have ended unnoticed, when the message that said so was lost: a second, or where thousands are awaited
 * a millisecond for each of them, so that a process does not ask all the time; ten seconds at most.
 */
const poll = (waiting: number): Duration.Duration => Duration.millis(Math.min(Math.max(1_000, waiting), 10_000))

type End = Effect.Effect<RunEnd, RunNotFound | RunDamaged | BrokerUnavailable>

/** `listening` returns once messages about ends are heard. */
export const make =
  (runs: Runs, hints: Hints, listening: Effect.Effect<void>) =>
  (id: string): End =>
    Effect.suspend(() => {
      const told = Latch.makeUnsafe(false)
      let said: string | undefined
      const tell = (end: string | undefined): void => {
        said = end
        told.openUnsafe()
      }
      const waiters = hints.waiters.get(id) ?? new Set()
      hints.waiters.set(id, waiters.add(tell))
      const forget = Effect.sync(() => {
        waiters.delete(tell)
        if (waiters.size === 0) hints.waiters.delete(id)
      })
      const ask = (known?: Plan): End =>
        Effect.gen(function* () {
          const meta = yield* runs.meta(id, known)
          const plan = known ?? (yield* runs.planOf(id, meta)).plan
          return yield* meta.state === "running" ? wait(plan) : read(plan)
        })
      const wait = (plan: Plan): End =>
        Effect.suspend(() => {
          const polled = Effect.as(Effect.sleep(poll(hints.waiters.size)), false)
          return Effect.flatMap(Effect.race(Effect.as(told.await, true), polled), (isTold) => {
            told.closeUnsafe()
            if (!isTold) return ask(plan)
            return said === undefined ? read(plan) : Effect.succeed(endOf(plan, said))
          })
        })
      // Retried meanwhile, it has no end yet.
      const read = (plan: Plan): End =>
        Effect.flatMap(runs.end(id, plan), (end) => (end === undefined ? ask(plan) : Effect.succeed(end)))
      const begin = Effect.suspend(() => {
        hints.expected ??= new Map()
        const plan = hints.expected.get(id)
        return plan === undefined ? ask() : wait(plan)
      })
      return Effect.ensuring(Effect.andThen(listening, begin), forget)
    })

/** As `tellEnd` in `scripts/save.lua` says it. */
const endOf = (plan: Plan, said: string): RunEnd => {
  const [generation, record] = said.split("\n") as [string, string]
  const exit = Record.toEnded(plan, String(plan.bodies[0].exit), record, () => undefined)!
  return { state: "succeeded", generation: Number(generation), input: undefined, exit, failure: undefined }
}
