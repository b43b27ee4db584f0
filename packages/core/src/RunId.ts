/**
 * Ids for runs and workers where the user gives none: ULIDs. They sort by time, also within a millisecond; a double click
 * selects one; and their 26 characters, of which a broker keeps several copies per run, are 10 less than a UUID's.
 */
import type * as Effect from "effect/Effect"
import * as SecureRandom from "effect/crypto/SecureRandom"

/** Random bytes are drawn by the pool: a draw costs more than all the rest of an id. */
const poolSize = 4_096
let pool: Uint8Array = new Uint8Array(0)
let used = 0

const randomBytes = (size: number): Uint8Array => {
  if (used + size > pool.length) {
    pool = SecureRandom.randomBytesUnsafe(poolSize)
    used = 0
  }
  return pool.subarray(used, (used += size))
}

/** Characters an id may have: as many as fit any line. */
const most = 200

/** Why this can't be the id of a run; undefined where it can. A store sets ids apart by control characters. */
export const issueOf = (id: string): string | undefined => {
  if (id === "") return "it is empty"
  if (id.length > most) return `it has ${id.length} characters, the limit is ${most}`
  if (/\p{Cc}/u.test(id)) return "it has a control character, such as a tab or a line break"
  return id.isWellFormed() ? undefined : "it is no well-formed Unicode"
}

export const make: Effect.Effect<string> = SecureRandom.make(randomBytes).ulid
