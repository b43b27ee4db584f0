/**
 * Every default in one place. Times in milliseconds.
 */

/** Of a node's policy. */
export const policy = {
  queue: "default",
  /** 0 to 9, 0 first. */
  priority: 5,
  attempts: 1,
  backoff: "exponential",
  base: 1_000,
  /** What the exponential back-off multiplies by. */
  factor: 2,
  max: 60_000,
  jitter: true
} as const

/** Handlers a worker runs at once. */
export const concurrency = 100

/** How long a silent worker keeps what it holds. */
export const lease = 30_000

/** The part of a lease that a worker does not count on: it stops its handlers that much earlier than others can be given their work. */
export const leaseMargin = 0.1

/** How long a worker whose event loop stands still keeps its lease all the same, in leases. */
export const stallBudget = 3

/** How often whoever sweeps looks at the clock. */
export const sweepInterval = 1_000

/** How often a store is asked to look for what it has lost sight of; it does so when it was started again, and now and then. */
export const reconcileInterval = 10_000

/** How long an idle worker waits for a hint before it asks anyway. */
export const pollInterval = 2_000

/** How long running handlers get when a worker stops, before they are interrupted. */
export const shutdownTimeout = 20_000

/** Workers that may die over one attempt before it fails with `PoisonPill`. */
export const maxDeliveries = 3

/** Ended runs that are kept: for how long, and how many per state. */
export const retention = { age: 7 * 24 * 3_600_000, count: 10_000 } as const

/** Sizes of one recorded value, in characters: from where it is warned about, and from where it is refused. */
export const payload = { warn: 1_048_576, limit: 16_777_216 } as const
