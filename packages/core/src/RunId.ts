/**
 * Ids for runs and workers where the user gives none: UUIDv7, so they sort by time, also within a millisecond.
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

export const make: Effect.Effect<string> = SecureRandom.make(randomBytes).uuidV7()
