/**
 * The arguments and replies of the functions: flat arrays of strings. The header of each in `scripts/` says what stands where.
 */
import type { Delivery, Payload, Receipt, Settlement } from "@arpeggio/core/Broker"
import type { Plan } from "@arpeggio/core/Plan"
import type { Reply } from "./Connection.ts"
import * as Record from "./Record.ts"

/** The elements of a fork: in the call itself, or the name of the hash they are staged in. */
export type Elements = ReadonlyArray<Payload> | string

/** Milliseconds: what "never" comes to as a number of digits, which is how the functions read it. */
const longest = 1e15

/** Four arguments per settlement; `elements` are those of its forks, as `encodeElements` gives them. */
export const encodeSettlement = (
  { attempt, node, nonce, outcome, run }: Settlement,
  elements: string,
  limit: number
): readonly [field: string, fence: string, tag: string, payload: string | number] => {
  const field = `${run}\t${node}`
  const fence = `${attempt - 1},${nonce},`
  switch (outcome._tag) {
    case "Succeeded":
      return outcome.value !== undefined && outcome.value.length > limit
        ? [field, fence, `L${limit}`, outcome.value.length]
        : [field, fence, `S${elements}`, outcome.value ?? ""]
    case "Failed": {
      const { declared, error, tag } = outcome.failed
      const after =
        outcome.retryAfter === undefined ? "" : Math.round(Math.min(Math.max(0, outcome.retryAfter), longest))
      return [field, fence, `F${declared ? 1 : 0}${outcome.retryable ? 1 : 0}${after}|${tag}`, error]
    }
    case "Interrupted":
      return [field, fence, "I", ""]
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

/** Deliveries, seven places each: see `scripts/settle.lua`. */
export type DeliveriesReply = ReadonlyArray<string | ReadonlyArray<string>>

export const deliveryLength = 7

/** The run of a delivery. */
export const runOfDelivery = (reply: DeliveriesReply, at: number): string => {
  const field = reply[at] as string
  return field.slice(0, field.indexOf("\t"))
}

/** The name of the plan of a delivery. */
export const planOfDelivery = (reply: DeliveriesReply, at: number): string => reply[at + 3] as string

/** Whose the deliveries are, and by which nonces. */
export const claimsOf = (
  reply: DeliveriesReply,
  base: string
): ReadonlyArray<{ readonly run: string; readonly nonce: string }> => {
  const claims = []
  for (let at = 0; at < reply.length; at += deliveryLength) {
    claims.push({ run: runOfDelivery(reply, at), nonce: nonceOf(reply, at, base) })
  }
  return claims
}

const nonceOf = (reply: DeliveriesReply, at: number, base: string): string => `${base}.${reply[at + 2] as string}`

/** The delivery at a place of the reply to the call with these nonces and this fence. */
export const decodeDelivery = (
  { hash, plan }: StoredPlan,
  reply: DeliveriesReply,
  at: number,
  base: string,
  fence: number
): Delivery => {
  const field = reply[at] as string
  const history = reply[at + 1] as string
  const [tries, lost, generation] =
    history === "" ? first : (history.split(",").map(Number) as [number, number, number])
  const input = reply[at + 4] as string
  const items = reply[at + 5] as string | ReadonlyArray<string>
  const pairs = reply[at + 6] as string | ReadonlyArray<string>
  const tab = field.indexOf("\t")
  return {
    run: field.slice(0, tab),
    node: field.slice(tab + 1),
    attempt: tries + 1,
    nonce: nonceOf(reply, at, base),
    fence,
    planHash: hash,
    flow: plan.flow,
    generation,
    lost,
    input: input === "" ? "null" : input,
    items: typeof items === "string" ? [] : items,
    ends: typeof pairs === "string" ? noEnds : endsOf(plan, pairs)
  }
}

const first = [0, 0, 1] as const
const noEnds: Delivery["ends"] = { get: () => undefined }

const endsOf = (plan: Plan, pairs: ReadonlyArray<string>): Delivery["ends"] => {
  const texts = new Map<string, string>()
  for (let i = 0; i < pairs.length; i += 2) texts.set(pairs[i]!, pairs[i + 1]!)
  const text = (address: string) => texts.get(address)
  return { get: (address) => Record.toEnded(plan, address, texts.get(address), text) }
}

/** A time as the fields of a run have it. */
export const toTime = (text: string): number => Number.parseInt(text, 36)

/** An entry of a queue: see `entryOf` in `scripts/kernel.lua`. */
export const parseEntry = (
  entry: string
): { readonly run: string; readonly address: string; readonly generation: string } => {
  const [run, address = "0", , , generation = "1"] = entry.slice(1).split("\t")
  return { run: run!, address, generation }
}
