/**
 * What can be said about a store from what it says of itself.
 */
import type { Check, Facts } from "./checks/Check.ts"
import { error, note, ok, warning } from "./checks/Check.ts"
import { eviction, memory, persistence, replicas } from "./checks/keeping.ts"
import { patches, role, server, topology } from "./checks/server.ts"
import * as Rights from "./Rights.ts"

export type { About, Access, Check, Facts } from "./checks/Check.ts"
export { bytes } from "./checks/keeping.ts"
export { isOldEnough, serverOf } from "./checks/server.ts"

/** The version of the key layout this code reads and writes. */
export const layout = "4"

/** A clock that is further off is worth a warning, in milliseconds. */
const clockTolerance = 1_000

/** Sweeps come every second; what is overdue for longer finds nobody who sweeps, in milliseconds. */
const sweepTolerance = 10_000

/** All checks, in the order in which they matter. */
export const of = (facts: Facts): ReadonlyArray<Check> => [
  ...(facts.info.size === 0 ? [] : [server(facts), ...patches(facts), role(facts), ...topology(facts)]),
  ...access(facts),
  ...rights(facts),
  ...layoutOf(facts),
  ...(facts.info.size === 0 ? [] : [eviction(facts), ...memory(facts), ...persistence(facts), ...replicas(facts)]),
  ...clock(facts),
  ...sweeps(facts)
]

// ---- this user, this data -------------------------------------------------------------------------------------------

const access = ({ access }: Facts): ReadonlyArray<Check> => {
  if (access === undefined) return []
  const { authenticated, local, secure } = access
  if (local) return [ok("access", "The server is on this machine.")]
  return [
    authenticated
      ? ok("access", "The connection is made with a password.")
      : warning(
          "access",
          "The connection is made over a network and without a password: whoever reaches the server may do anything.",
          "Make a user for Arpeggio, as docs/redis.md shows, and give the default user a password."
        ),
    ...(secure
      ? []
      : [
          note(
            "access",
            "The connection is not encrypted: on its way passwords and values can be read.",
            "Use TLS (rediss://) where the network is not your own."
          )
        ])
  ]
}

const rights = ({ layout, namespace, refused }: Facts): ReadonlyArray<Check> => {
  if (refused.length > 0) return [error("rights", Rights.inWords(refused, namespace), Rights.advice(namespace))]
  // Nothing was tried where there is no use in it, as on a replica.
  if (layout === undefined) return []
  return [ok("rights", `The user may do what is needed on keys and channels ${namespace}*.`)]
}

const layoutOf = ({ layout: found, namespace }: Facts): ReadonlyArray<Check> => {
  if (found === undefined) return []
  if (found === layout) return [ok("layout", `The data under ${namespace} has layout ${layout}.`)]
  return [
    error(
      "layout",
      `The data under ${namespace} has layout ${found}, and this version of Arpeggio works on layout ${layout}.`,
      Number(found) > Number(layout)
        ? "Update this process, or give it a namespace of its own."
        : "Let the version that wrote it finish its runs, then give this one a namespace of its own."
    )
  ]
}

// ---- time -----------------------------------------------------------------------------------------------------------

const clock = ({ clock }: Facts): ReadonlyArray<Check> => {
  if (clock === undefined) return []
  const off = Math.abs(clock.ahead)
  if (off - clock.margin <= clockTolerance)
    return [ok("clock", `The clocks of the server and of this machine agree within ${Math.ceil(off)} ms.`)]
  return [
    warning(
      "clock",
      `The server's clock is ${Math.round(off / 100) / 10} s ${clock.ahead > 0 ? "ahead of" : "behind"} this machine's.`,
      "Timers go by the server's, and what is shown here as an age is off by that. Synchronise both (NTP)."
    )
  ]
}

const sweeps = ({ overdue }: Facts): ReadonlyArray<Check> => {
  if (overdue === undefined) return []
  if (overdue <= sweepTolerance) return [ok("sweeps", "No timer and no lease waits for a sweep.")]
  return [
    warning(
      "sweeps",
      `A timer or a lease has been over for ${Math.round(overdue / 1_000)} s, so nobody sweeps: retries, delays and the work of dead workers stand still.`,
      "Start a worker or an orchestrator; if some run, look at what they log."
    )
  ]
}
