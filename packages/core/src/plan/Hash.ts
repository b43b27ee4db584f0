/**
 * A plan's name: the SHA-256 of its canonical JSON. The same definition has the same hash in every process; another
 * schema, another policy, another edge is another plan.
 */
import { createHash } from "node:crypto"
import type { Plan } from "./Document.ts"

/** The hash of a plan, 64 hexadecimal digits. */
export const hash = (plan: Plan): string => createHash("sha256").update(canonical(plan)).digest("hex")

/** JSON with sorted keys and no spaces; what is undefined is left out. */
export const canonical = (value: unknown): string => JSON.stringify(value, sorted)

const sorted = (_: string, value: unknown): unknown => {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value
  const keys = Object.keys(value)
  if (keys.every((key, i) => i === 0 || keys[i - 1]! < key)) return value
  const record = value as Readonly<Record<string, unknown>>
  return Object.fromEntries(keys.sort().map((key) => [key, record[key]]))
}
