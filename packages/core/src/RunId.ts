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

export const make: Effect.Effect<string> = SecureRandom.make(randomBytes).ulid
