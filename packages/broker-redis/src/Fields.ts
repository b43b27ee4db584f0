/**
 * What is kept of a run, wherever that is: in a hash of its own, or in a bucket; see `scripts/run.lua` and
 * `scripts/bucket.lua`. A run moves from its bucket to its own hash and never back, so the bucket is looked at first.
 */
import type { BrokerUnavailable } from "@arpeggio/core/Failure"
import * as Effect from "effect/Effect"
import { isOfData } from "./Connection.ts"
import type { Command } from "./Inspection.ts"
import * as Keys from "./Keys.ts"

/** The only cell of a run in a bucket. */
export const only = "0"

/** Some fields of a run; null where it has none such. What is no hash fails with a defect: see `isOfData`. */
export const read = (
  command: Command,
  id: string,
  names: ReadonlyArray<string>
): Effect.Effect<ReadonlyArray<string | null>, BrokerUnavailable> =>
  Effect.flatMap(packed(command, id), (fields) =>
    fields === undefined ? readOwn(command, id, names) : Effect.succeed(names.map((name) => fields.get(name) ?? null))
  )

/** The same of a run that has several nodes, and so is in no bucket. */
export const readOwn = (
  command: Command,
  id: string,
  names: ReadonlyArray<string>
): Effect.Effect<ReadonlyArray<string | null>, BrokerUnavailable> =>
  Effect.map(command("HMGET", Keys.run(id), ...names), (reply) => reply as ReadonlyArray<string | null>)

/** All fields of a run, read in slices that don't hold Redis up. */
export const readAll = (command: Command, id: string): Effect.Effect<ReadonlyMap<string, string>, BrokerUnavailable> =>
  Effect.gen(function* () {
    const found = yield* packed(command, id)
    if (found !== undefined) return found
    const fields = new Map<string, string>()
    let cursor = "0"
    do {
      const reply = yield* command("HSCAN", Keys.run(id), cursor, "COUNT", 1_000)
      const [next, pairs] = reply as readonly [string, ReadonlyArray<string>]
      for (let i = 0; i < pairs.length; i += 2) fields.set(pairs[i]!, pairs[i + 1]!)
      cursor = next
    } while (cursor !== "0")
    return fields
  })

const packed = (
  command: Command,
  id: string
): Effect.Effect<ReadonlyMap<string, string> | undefined, BrokerUnavailable> => {
  const { field, key } = Keys.bucket(id)
  return Effect.catchDefect(
    Effect.map(command("HGET", key, field), (value) => (typeof value === "string" ? unpack(value) : undefined)),
    // What is of another type has no runs.
    (defect) => (isOfData(defect) ? Effect.undefined : Effect.die(defect))
  )
}

/** The fields that the entry of a bucket stands for. Of one that is unreadable the field m is. */
const unpack = (value: string): ReadonlyMap<string, string> => {
  const found = /^([RSFX]...)([^,\n]*)(?:,(\d+))?(?:,(\w+))?\n(.{8})/.exec(value)
  if (found === null) return new Map([["m", value]])
  const [head, standing, hash, length, endedAt, submitted] = found as unknown as [
    string,
    string,
    string,
    string | undefined,
    string | undefined,
    string
  ]
  const rest = Buffer.from(value.slice(head.length))
  const size = length === undefined ? 0 : Number(length)
  const fields = new Map([
    ["m", `${standing}-1,${standing[0] === "R" ? 1 : 0},${hash}${endedAt === undefined ? "" : `,${endedAt}`}`],
    ["c", submitted],
    ["i", rest.subarray(size).toString()]
  ])
  if (size > 0 || length === undefined) fields.set(only, length === undefined ? "r" : rest.subarray(0, size).toString())
  return fields
}
