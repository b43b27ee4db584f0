/**
 * What workers and handlers did, on disk and apart from any store: one JSON array per line. Each process appends with
 * O_APPEND, so the order of lines is the order in which things were written on this machine.
 */
import { closeSync, openSync, readSync, writeSync } from "node:fs"
import { StringDecoder } from "node:string_decoder"

/** One entry; times are in milliseconds of this machine's clock, attempts as `attemptOf` calls them. */
export type Entry =
  /** The worker got this delivery, for a call that it sent then. */
  | readonly [
      kind: "claim",
      worker: string,
      at: number,
      run: string,
      address: string,
      attempt: string,
      lost: number,
      sentAt: number,
      fence: number
    ]
  /** A handler began, and how it ended: with a value, a failure, because it was told to stop, or since the lease might be over. */
  | readonly [
      kind: "start" | "ok" | "failed" | "stopped" | "unsure",
      worker: string,
      at: number,
      run: string,
      node: string,
      attempt: string,
      lost: number
    ]
  /** What the store answered to a report that was sent then. */
  | readonly [
      kind: "recorded" | "already" | "stale",
      worker: string,
      at: number,
      run: string,
      address: string,
      attempt: string,
      sentAt: number
    ]
  /** A renewal said that somebody else has so many deliveries now. */
  | readonly [kind: "dropped", worker: string, at: number, count: number]
  /** The store did not know the worker any more. */
  | readonly [kind: "forgotten", worker: string, at: number]
  /** A call failed, and the first one after that which did not. */
  | readonly [kind: "away" | "back", worker: string, at: number]
  | readonly [kind: "up" | "down", worker: string, at: number]

/** An attempt of a node: its number, behind that of the generation if it is not the first. */
export const attemptOf = (generation: number, number: number): string =>
  generation === 1 ? String(number) : `${generation}/${number}`

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

/** All entries in order, read as they are asked for. */
export function* read(file: string): Generator<Entry> {
  const descriptor = openSync(file, "r")
  try {
    const decoder = new StringDecoder("utf8")
    const chunk = Buffer.alloc(1 << 20)
    let rest = ""
    for (let size = 0; (size = readSync(descriptor, chunk)) > 0;) {
      const lines = (rest + decoder.write(chunk.subarray(0, size))).split("\n")
      rest = lines.pop()!
      for (const line of lines) yield* parse(line)
    }
    yield* parse(rest)
  } finally {
    closeSync(descriptor)
  }
}

/** A process that was killed may have left its last line unfinished, which is left out. */
const parse = (line: string): ReadonlyArray<Entry> => {
  const from = line.lastIndexOf('["')
  return from === -1 || !line.endsWith("]") ? [] : [JSON.parse(line) as Entry]
}
