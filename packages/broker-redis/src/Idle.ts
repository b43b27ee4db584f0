/**
 * What a process asks that has nothing to do: whether there is anything. One command answers it, where the function that does
 * what there is calls a dozen. It errs to one side only: where it says no, the function would have found nothing.
 */
import type { BrokerUnavailable } from "@arpeggio/core/Failure"
import * as Effect from "effect/Effect"
import type { Command } from "./Inspection.ts"
import * as Keys from "./Keys.ts"

const bands = Array.from({ length: 10 }, (_, band) => String(band))

/**
 * Whether there may be something to claim in these queues, deferred work to continue, or a worker to be told that it is not
 * known. `prefix` is that of the partition.
 */
export const isClaimDue = (
  command: Command,
  prefix: string,
  worker: string,
  queues: ReadonlyArray<string>
): Effect.Effect<boolean, BrokerUnavailable> => {
  const own = Keys.holding(worker)
  const others = queues.flatMap((queue) => [
    Keys.suspects(queue),
    Keys.parkedTasks(queue),
    ...bands.map((band) => Keys.band(queue, band))
  ])
  others.push(Keys.deferred)
  // Asked for more often than all others together: so the count tells whether it is there.
  const weight = others.length + 1
  const keys = [...Array(weight - 1).fill(own), ...others].map((key) => prefix + key)
  return Effect.map(command("EXISTS", own, ...keys), (count) => count !== weight)
}

/** When there may be something to sweep. The clock of the store is reckoned from what the last sweep said of it. */
export interface Sweeps {
  /** In how many milliseconds one is due. */
  readonly next: Effect.Effect<number, BrokerUnavailable>
  /** What a sweep has found: the time in the store, when the first lease ends, whether there was anything to do. */
  readonly note: (now: number, leaseEnd: number, isBusy: boolean) => void
}

/** Milliseconds from a sweep that found nothing to the next one; doubled by each. */
const first = 2_000

/**
 * A sweep is due with the first timer and when the first lease ends. What has neither, as retention, is looked at soon after
 * there was something to do, and ever more seldom while there is not: at last three times within a `lease`, in milliseconds.
 */
export const sweeps = (command: Command, lease: number): Sweeps => {
  let ahead = 0
  let pause = 0
  let dueAt = -Infinity
  return {
    next: Effect.suspend(() => {
      const left = dueAt - performance.now()
      if (left <= 0) return Effect.succeed(0)
      return Effect.map(command("ZRANGE", Keys.timers, 0, 0, "WITHSCORES"), (reply) => {
        const [, timer = Infinity] = reply as ReadonlyArray<string>
        return Math.min(left, Number(timer) - ahead - performance.now())
      })
    }),
    note: (now, leaseEnd, isBusy) => {
      ahead = now - performance.now()
      pause = isBusy ? 0 : Math.min(lease / 3, Math.max(first, 2 * pause))
      dueAt = Math.min(now + pause, leaseEnd) - ahead
    }
  }
}
