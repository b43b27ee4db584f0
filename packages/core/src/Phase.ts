/**
 * Where a node of a run is. This is the one list of phases: what counts nodes by phase, or says something of each phase,
 * is typed by it, so that it does not compile when one is missing. `Broker` draws how a node gets from one to the next.
 */

const open = ["blocked", "ready", "running", "scheduled"] as const
const ends = ["succeeded", "failed", "skipped", "void", "cancelled"] as const

/** What a node ends as: `skipped` for a failed cause, `void` on a branch not taken. */
export type End = (typeof ends)[number]

export type Phase = (typeof open)[number] | End

/** All phases, those that are ends last. */
export const phases: ReadonlyArray<Phase> = [...open, ...ends]

/** Written out, for the engine asks it of every edge. */
export const isEnd: (phase: Phase) => phase is End = (phase) =>
  phase !== "blocked" && phase !== "ready" && phase !== "running" && phase !== "scheduled"

/** How many nodes are where. */
export type Tally = { readonly [phase in Phase]: number }

/** A tally of what `count` says of each phase. */
export const tally = (count: (phase: Phase) => number): Tally =>
  Object.fromEntries(phases.map((phase) => [phase, count(phase)])) as Tally

/** No node anywhere. */
export const none: Tally = tally(() => 0)

export const total = (tally: Tally): number => sum(tally, phases)

/** How many have ended, however. */
export const ended = (tally: Tally): number => sum(tally, ends)

const sum = (tally: Tally, of: ReadonlyArray<Phase>): number => of.reduce((count, phase) => count + tally[phase], 0)

/** Phases in another order; each of them must be there. */
export const inOrder = <const Order extends ReadonlyArray<Phase>>(
  ...order: Phase extends Order[number] ? Order : [missing: Exclude<Phase, Order[number]>]
): ReadonlyArray<Phase> => order
