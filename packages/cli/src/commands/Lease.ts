/**
 * The flags of processes that hold leases, or give others what was held under them.
 */
import * as Flag from "effect/cli/Flag"
import * as Option from "effect/Option"

const units = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const

const millisOf = (text: string): number | undefined => {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text) ?? []
  return number === undefined ? undefined : Number(number) * units[unit as keyof typeof units]
}

/** Milliseconds, written as a number with a unit. */
const duration = (name: string) =>
  Flag.String(name).pipe(
    Flag.withMetavar("duration"),
    Flag.filterMap(
      (text) => Option.fromUndefinedOr(millisOf(text)),
      (text) => `Expected: a duration like 90s, 5m or 1h, and it is ${text}`
    )
  )

export const lease = duration("lease").pipe(
  Flag.filter(
    (millis) => millis >= 1_000,
    () => "Expected: 1s or more, to be renewed in time"
  ),
  Flag.withDescription(
    "How long a silent worker keeps what it holds: a shorter one has its work done sooner when it dies, and is lost sooner when it is only slow; the same for all processes of a store (default: 30s)"
  ),
  Flag.optional
)

export const stallBudget = duration("stall-budget").pipe(
  Flag.withDescription(
    "For how long a handler may block the event loop before the work of this worker goes to others, a lease later; more than the longest that one does (default: three leases)"
  ),
  Flag.optional
)
