/**
 * What a worker counts of itself, and the metrics it publishes: counters that only grow, and what runs now.
 */
import type * as Context from "effect/Context"
import * as Metric from "effect/Metric"

/** How much a worker has done. */
export interface Stats {
  /** Deliveries it got. */
  readonly claimed: number
  /** Attempts that ended with a value. */
  readonly succeeded: number
  /** Attempts that failed: an error, a defect, a time-out, a value that does not fit. */
  readonly failed: number
  /** Attempts stopped because their run was being cancelled. */
  readonly interrupted: number
  /** Deliveries given back untried, by a worker that stops. */
  readonly released: number
  /** Attempts stopped and not reported, because the worker had lost its lease or could not be sure of it any more. */
  readonly lost: number
  /** Of all these, reports that came too late: the broker had given the attempt to somebody else. */
  readonly stale: number
  /** Handlers that run now. */
  readonly running: number
  /** Of those, how many are of attempts that are settled already: they timed out and ignore their interruption. */
  readonly leaked: number
  /** Handlers it runs at most at once. */
  readonly concurrency: number
  /** Since its start, in milliseconds. */
  readonly elapsed: number
  /** The time its handlers took, in milliseconds, summed over all slots. */
  readonly busy: number
  /** `busy` as a part of what all its slots could have worked in that time: 0 to 1. */
  readonly utilization: number
}

const claimed = Metric.counter("arpeggio_worker_claimed", {
  description: "Deliveries claimed from the broker.",
  incremental: true
})
const settled = Metric.counter("arpeggio_worker_settled", {
  description: "Attempts whose outcome was reported.",
  incremental: true
})
const byOutcome = {
  succeeded: Metric.withAttributes(settled, { outcome: "succeeded" }),
  failed: Metric.withAttributes(settled, { outcome: "failed" }),
  interrupted: Metric.withAttributes(settled, { outcome: "interrupted" }),
  stale: Metric.withAttributes(settled, { outcome: "stale" })
}
const released = Metric.counter("arpeggio_worker_released", {
  description: "Deliveries given back untried.",
  incremental: true
})
const lost = Metric.counter("arpeggio_worker_lost", {
  description: "Attempts stopped and not reported, because the lease was lost.",
  incremental: true
})
const running = Metric.gauge("arpeggio_worker_running", { description: "Handlers that run now." })
const leaked = Metric.gauge("arpeggio_worker_leaked", {
  description: "Handlers that run on although their attempt has timed out."
})

export type Counted = "claimed" | "released" | "lost" | keyof typeof byOutcome

/** Counts in plain fields, and publishes what has changed once per turn of the loop, not once per task. */
export class Meter {
  readonly counts: { [K in Counted]: number } = {
    claimed: 0,
    succeeded: 0,
    failed: 0,
    interrupted: 0,
    released: 0,
    lost: 0,
    stale: 0
  }
  /** Slot-milliseconds of handlers that have ended. */
  busy = 0
  readonly #published = { ...this.counts }
  readonly #context: Context.Context<never>

  constructor(context: Context.Context<never>) {
    this.#context = context
  }

  publish(now: { readonly running: number; readonly leaked: number }): void {
    this.#advance("claimed", claimed)
    this.#advance("released", released)
    this.#advance("lost", lost)
    this.#advance("succeeded", byOutcome.succeeded)
    this.#advance("failed", byOutcome.failed)
    this.#advance("interrupted", byOutcome.interrupted)
    this.#advance("stale", byOutcome.stale)
    running.updateUnsafe(now.running, this.#context)
    leaked.updateUnsafe(now.leaked, this.#context)
  }

  #advance(name: Counted, metric: Metric.Counter<number>): void {
    const delta = this.counts[name] - this.#published[name]
    if (delta === 0) return
    metric.updateUnsafe(delta, this.#context)
    this.#published[name] = this.counts[name]
  }
}
