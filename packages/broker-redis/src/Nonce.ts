/**
 * Names that nobody can guess: 96 random bits as 16 characters. They make the fences of deliveries, and name what is staged.
 */
import { randomFillSync } from "node:crypto"

const size = 12

/** In characters, of which four take three bytes. */
export const length = (size / 3) * 4

/** Drawn at once, because a draw costs 3 to 10 microseconds however few bytes it is for. */
const pool = Buffer.alloc(256 * size)
let used = pool.length

export const make = (): string => {
  if (used === pool.length) {
    randomFillSync(pool)
    used = 0
  }
  const from = used
  used += size
  return pool.toString("base64url", from, used)
}
