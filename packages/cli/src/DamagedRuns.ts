/**
 * Runs that are damaged in the store, as `doctor` tells of them, and what became of those it has ended.
 */
import type { Check } from "@arpeggio/broker-redis/Checks"
import type { Damaged } from "@arpeggio/broker-redis/Damage"
import type { Repaired } from "@arpeggio/broker-redis/Repair"
import * as Figures from "./Figures.ts"
import * as ShellWord from "./ShellWord.ts"
import type { Store } from "./Store.ts"

/** So many are named; the document has all. */
const most = 10

export const check = (damaged: ReadonlyArray<Damaged>, store: Store): Check => {
  if (damaged.length === 0) return { _tag: "Ok", about: "damaged", says: "No run is known to be damaged." }
  const named = damaged.slice(0, most).map(({ issue, run }) => `${run} (${issue})`)
  const others = damaged.length > most ? `, and ${Figures.count(damaged.length - most)} more` : ""
  const stand = Figures.plural(damaged.length, "run stands", "runs stand")
  return {
    _tag: "Warning",
    about: "damaged",
    says: `${stand} still because what the store has of ${damaged.length === 1 ? "it" : "them"} is damaged: ${named.join(", ")}${others}.`,
    advice: `Find out who else writes to ${store.namespace ?? "arpeggio:"}*, then end ${damaged.length === 1 ? "it" : "them"} as failed: arpeggio doctor --repair${store.flags}`
  }
}

/** What to do next about one that was ended, as a command; nothing where there is nothing left of it. */
export const remedyOf = ({ isReadable, run, state }: Repaired, { flags }: Store): string | undefined =>
  isReadable ? `arpeggio ${state === "succeeded" ? "result" : "retry"} ${ShellWord.of(run)}${flags}` : undefined

export const toLines = (repaired: ReadonlyArray<Repaired>, store: Store): ReadonlyArray<string> =>
  repaired.flatMap((one) => {
    const { issue, run, state } = one
    const remedy = remedyOf(one, store)
    const next = remedy === undefined ? "nothing is left of it: submit it again, under another id" : remedy
    return [`Repaired: run ${run} has ${state === "cancelled" ? "been cancelled" : state} (${issue}).`, `  ${next}`]
  })
