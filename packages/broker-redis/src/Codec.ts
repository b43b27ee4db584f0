/**
 * The arguments and replies of the scripts: flat arrays of strings. Each script's header says what stands where.
 */
import type { Delivery, Payload, Receipt, Settlement } from "@arpeggio/core/Broker"
import type { Plan } from "@arpeggio/core/Plan"
import type { Reply } from "./Connection.ts"
import * as Record from "./Record.ts"

/** The elements of a fork: in the call itself, or the name of the hash they are staged in. */
export type Elements = ReadonlyArray<Payload> | string

/** Milliseconds: what "never" comes to as a number of digits, which is how the scripts read it. */
const longest = 1e15

/** Eight arguments per settlement; `elements` are those of its forks, as `encodeElements` gives them. */
export const encodeSettlement = (
  { attempt, node, nonce, outcome, run }: Settlement,
  elements: string,
  limit: number
): ReadonlyArray<string | number> => {
  switch (outcome._tag) {
    case "Succeeded":
      if (outcome.value !== undefined && outcome.value.length > limit)
        return [run, node, attempt, nonce, "L", outcome.value.length, limit, ""]
      return [run, node, attempt, nonce, "S", outcome.value ?? "", elements, ""]
    case "Failed": {
      const flags = `${outcome.failed.declared ? 1 : 0}${outcome.retryable ? 1 : 0}`
      const after =
        outcome.retryAfter === undefined ? "" : Math.round(Math.min(Math.max(0, outcome.retryAfter), longest))
      return [run, node, attempt, nonce, "F", outcome.failed.error, outcome.failed.tag, `${flags}${after}`]
    }
    case "Interrupted":
      return [run, node, attempt, nonce, "I", "", "", ""]
  }
}

export interface DecidedFork {
  readonly fork: number
  readonly collect: number
  readonly count: number
  readonly elements: Elements
}

export const encodeElements = (forks: ReadonlyArray<DecidedFork>): string =>
  forks.length === 0
    ? ""
    : JSON.stringify(forks.map(({ collect, count, elements, fork }) => [fork, collect, elements, count]))

const receipts: { readonly [letter: string]: Receipt } = { R: "recorded", A: "already", S: "stale" }

export const decodeReceipts = (letters: Reply): ReadonlyArray<Receipt> =>
  Array.from(letters as string, (letter) => receipts[letter]!)

/** A plan and its whole hash; the store names it by a part of it. */
export interface StoredPlan {
  readonly plan: Plan
  readonly hash: string
}

/** Run, address, tries, lost, nonce, generation, plan hash, input, items, ends. */
export type DeliveryReply = readonly [
  string,
  string,
  number,
  number,
  string,
  number,
  string,
  string,
  ReadonlyArray<string>,
  ReadonlyArray<string>
]

export const decodeDelivery = ({ hash, plan }: StoredPlan, reply: DeliveryReply): Delivery => {
  const [run, node, tries, lost, nonce, generation, , input, items, pairs] = reply
  const texts = new Map<string, string>()
  for (let i = 0; i < pairs.length; i += 2) texts.set(pairs[i]!, pairs[i + 1]!)
  const text = (address: string) => texts.get(address)
  return {
    run,
    node,
    attempt: Number(tries) + 1,
    nonce,
    planHash: hash,
    flow: plan.flow,
    generation: Number(generation),
    lost: Number(lost),
    input,
    items,
    ends: { get: (address) => Record.toEnded(plan, address, texts.get(address), text) }
  }
}
