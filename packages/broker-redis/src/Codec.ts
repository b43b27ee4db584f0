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

/** Deliveries, two or three places each: see `scripts/settle.lua`. */
export type DeliveriesReply = ReadonlyArray<string | ReadonlyArray<string | number>>

/** A delivery as the store says it, which knows the plan by its name. */
export interface StoredDelivery {
  readonly run: string
  readonly node: string
  readonly nonce: string
  readonly tries: number
  readonly lost: number
  readonly generation: number
  readonly plan: string
  readonly input: string
  readonly items: ReadonlyArray<string>
  /** Address, end, address, end, ... */
  readonly ends: ReadonlyArray<string>
}

/** What a head says besides its run and address, where it says so. */
interface Said {
  readonly number: number
  readonly tries: number
  readonly lost: number
  readonly generation: number
  readonly plan: string
}

const parseSaid = (text: string): Said => {
  const [number, history, plan] = text.split("\t") as [string, string, string]
  const [tries, lost, generation] = history.split(",").map(Number) as [number, number, number]
  return { number: Number(number), tries, lost, generation, plan }
}

const none: ReadonlyArray<string> = []

/** The deliveries in the reply to the call with these nonces. */
export const decodeDeliveries = (reply: DeliveriesReply, base: string): ReadonlyArray<StoredDelivery> => {
  const deliveries: Array<StoredDelivery> = []
  let number = -1
  let plan = ""
  let at = 0
  while (at < reply.length) {
    const head = reply[at] as string
    const input = reply[at + 1] as string
    const more = reply[at + 2]
    const hasMore = typeof more === "object"
    at += hasMore ? 3 : 2
    const tab = head.indexOf("\t")
    const end = head.indexOf("\t", tab + 1)
    const said = end < 0 ? undefined : parseSaid(head.slice(end + 1))
    number = said === undefined ? number + 1 : said.number
    if (said !== undefined) plan = said.plan
    const elements = hasMore ? Number(more[0]) : 0
    deliveries.push({
      run: head.slice(0, tab),
      node: end < 0 ? head.slice(tab + 1) : head.slice(tab + 1, end),
      nonce: `${base}.${number}`,
      tries: said === undefined ? 0 : said.tries,
      lost: said === undefined ? 0 : said.lost,
      generation: said === undefined ? 1 : said.generation,
      plan,
      input,
      items: elements === 0 ? none : (more!.slice(1, 1 + elements) as ReadonlyArray<string>),
      ends: hasMore && more.length > 1 + elements ? (more.slice(1 + elements) as ReadonlyArray<string>) : none
    })
  }
  return deliveries
}

/** A delivery of a call with this fence, of this plan. */
export const toDelivery = (
  { ends, generation, input, items, lost, node, nonce, run, tries }: StoredDelivery,
  { hash, plan }: StoredPlan,
  fence: number
): Delivery => ({
  run,
  node,
  attempt: tries + 1,
  nonce,
  fence,
  planHash: hash,
  flow: plan.flow,
  generation,
  lost,
  input: input === "" ? "null" : input,
  items,
  ends: ends === none ? noEnds : endsOf(plan, ends)
})

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
