/**
 * What workers and handlers did, on disk and apart from any store: one JSON array per line. Each process appends with
 * O_APPEND, so the order of lines is the order in which things were written on this machine.
 */
import { closeSync, openSync, readFileSync, writeSync } from "node:fs"

/** One entry; `at` is in milliseconds of this machine's clock. */
export type Entry =
  /** The worker got this delivery. */
  | readonly [
      kind: "claim",
      worker: string,
      at: number,
      run: string,
      address: string,
      attempt: number,
      lost: number,
      generation: number
    ]
  /** A handler began, and how it ended: with a value, a failure, or because it was told to stop. */
  | readonly [
      kind: "start",
      worker: string,
      at: number,
      run: string,
      node: string,
      attempt: number,
      lost: number,
      generation: number
    ]
  | readonly [
      kind: "ok" | "failed" | "stopped",
      worker: string,
      at: number,
      run: string,
      node: string,
      attempt: number,
      lost: number,
      generation: number
    ]
  /** The store answered a report otherwise than with `recorded`. */
  | readonly [kind: "already" | "stale", worker: string, at: number, run: string, address: string, attempt: number]
  /** A renewal said that somebody else has so many deliveries now. */
  | readonly [kind: "dropped", worker: string, at: number, count: number]
  /** The store did not know the worker any more. */
  | readonly [kind: "forgotten", worker: string, at: number]
  /** A call failed, and the first one after that which did not. */
  | readonly [kind: "away" | "back", worker: string, at: number]
  | readonly [kind: "up" | "down", worker: string, at: number]

export interface Ledger {
  readonly append: (entry: Entry) => void
  readonly close: () => void
}

export const open = (file: string): Ledger => {
  const descriptor = openSync(file, "a")
  return {
    append: (entry) => void writeSync(descriptor, `${JSON.stringify(entry)}\n`),
    close: () => closeSync(descriptor)
  }
}

/** All entries in order. A process that was killed may have left its last line unfinished, which is left out. */
export const read = (file: string): ReadonlyArray<Entry> =>
  readFileSync(file, "utf8")
    .split("\n")
    .flatMap((line) => {
      const from = line.lastIndexOf('["')
      if (from === -1 || !line.endsWith("]")) return []
      return [JSON.parse(line) as Entry]
    })
