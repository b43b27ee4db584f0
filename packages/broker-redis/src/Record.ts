/**
 * The records of a run's hash, read: see `scripts/run.lua` for their forms.
 */
import type { Ended, Failed } from "@arpeggio/core/Broker"
import type { Plan } from "@arpeggio/core/Plan"

/** What the field of a node says. */
export type Record =
  | { readonly _tag: "Active"; readonly tries: number; readonly took: number; readonly lost: number }
  | { readonly _tag: "Scheduled"; readonly dueAt: number; readonly tries: number; readonly took: number }
  | {
      readonly _tag: "Succeeded"
      readonly number: number
      readonly took: number
      readonly tries: number
      readonly value: string
    }
  | { readonly _tag: "Failed"; readonly tries: number; readonly took: number; readonly failed: Failed }
  | { readonly _tag: "Skipped"; readonly cause: string }
  | { readonly _tag: "Void" }
  | { readonly _tag: "Cancelled" }

/** Throws where that is no record. */
export const parse = (text: string): Record => {
  switch (text[0]) {
    case "r": {
      const [tries, took, lost] = text.length === 1 ? [0, 0, 0] : text.slice(1).split(",").map(Number)
      return { _tag: "Active", tries: tries!, took: took!, lost: lost! }
    }
    case "s": {
      const [dueAt, tries, , took] = text.slice(1).split("|")
      return { _tag: "Scheduled", dueAt: Number(dueAt), tries: Number(tries), took: Number(took) }
    }
    case "S": {
      const [first, second, third] = bars(text, 3)
      const [took, tries = "1"] = text.slice(first! + 1, second).split("x")
      return {
        _tag: "Succeeded",
        number: Number(text.slice(1, first)),
        took: Number(took),
        tries: Number(tries),
        value: text.slice(third! + 1)
      }
    }
    case "F": {
      const [first, second, third, fourth] = bars(text, 4)
      const newline = text.indexOf("\n", fourth)
      if (newline < 0) throw unreadable(text)
      return {
        _tag: "Failed",
        tries: Number(text.slice(1, first)),
        took: Number.parseInt(text.slice(first! + 1, second)),
        failed: {
          declared: text.slice(third! + 1, fourth) === "1",
          tag: text.slice(fourth! + 1, newline),
          error: text.slice(newline + 1)
        }
      }
    }
    case "K":
      return { _tag: "Skipped", cause: text.slice(1) }
    case "V":
      return { _tag: "Void" }
    case "X":
      return { _tag: "Cancelled" }
    default:
      throw unreadable(text)
  }
}

const unreadable = (text: string): Error => new Error(`no record of a node: ${text.slice(0, 20)}`)

/** The last failure of a node that is tried again. */
export const parseFailure = (text: string): Failed => {
  const newline = text.indexOf("\n")
  return { declared: text[0] === "1", tag: text.slice(2, newline), error: text.slice(newline + 1) }
}

/** Positions of the first bars of a text. */
const bars = (text: string, count: number): ReadonlyArray<number> => {
  const positions: Array<number> = []
  for (let at = text.indexOf("|"); positions.length < count; at = text.indexOf("|", at + 1)) {
    if (at < 0) throw unreadable(text)
    positions.push(at)
  }
  return positions
}

/** How a node ended; undefined when it has not. A skipped node's cause must be among what `get` knows. */
export const toEnded = (
  plan: Plan,
  address: string,
  text: string | undefined,
  get: (address: string) => string | undefined
): Ended | undefined => {
  if (text === undefined) return undefined
  const record = parse(text)
  switch (record._tag) {
    case "Active":
    case "Scheduled":
      return undefined
    case "Succeeded": {
      const node = plan.nodes[Number(address.slice(address.lastIndexOf(".") + 1))]!
      if (node._tag === "Task") return { _tag: "Succeeded", value: record.value }
      return node._tag === "Pass"
        ? { _tag: "Succeeded", from: record.number }
        : { _tag: "Succeeded", count: record.number }
    }
    case "Failed":
      return { _tag: "Failed", failed: record.failed, cause: address }
    case "Skipped": {
      const cause = get(record.cause)
      const failed = cause === undefined ? undefined : parse(cause)
      return failed?._tag === "Failed" ? { _tag: "Failed", failed: failed.failed, cause: record.cause } : undefined
    }
    case "Void":
      return { _tag: "Void" }
    case "Cancelled":
      return { _tag: "Cancelled" }
  }
}
