/**
 * What the suite is made of: a case is a sentence about brokers and the moves that show whether it holds. Cases know no
 * test runner; a failed expectation is an `AssertionError` of Node.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { deepStrictEqual, fail } from "node:assert/strict"
import type { Rig } from "./Rig.ts"

/** How a broker is to be set up for a case. Times in milliseconds. */
export interface Settings {
  /** How long a silent worker keeps what it holds. */
  readonly lease: number
  /** Workers that may die over one attempt before it fails. */
  readonly maxDeliveries: number
  /** The longest recorded value, in characters. */
  readonly payloadLimit: number
  /** How long ended runs are kept, and how many per state. */
  readonly retention: { readonly age: number; readonly count: number }
}

export interface Case {
  /** The verb or the matter it is about. */
  readonly group: string
  /** What holds, as a sentence. */
  readonly name: string
  /** `unit` is the length of the shortest delay, in milliseconds. */
  readonly settings: (unit: number) => Settings
  readonly run: (rig: Rig) => Effect.Effect<void, unknown, Scope.Scope>
}

/** The moves of a case. */
export type Body = (rig: Rig) => Effect.fn.Return<void, unknown, Scope.Scope>

const usual: Settings = {
  lease: 30_000,
  maxDeliveries: 3,
  payloadLimit: 65_536,
  retention: { age: 3_600_000, count: 10_000 }
}

/** The cases of one group, by their sentences. `settings` are what differs from the usual. */
export const group = (
  name: string,
  cases: { readonly [sentence: string]: Body },
  settings: (unit: number) => Partial<Settings> = () => ({})
): ReadonlyArray<Case> =>
  Object.entries(cases).map(([sentence, body]) => ({
    group: name,
    name: sentence,
    settings: (unit) => ({ ...usual, ...settings(unit) }),
    run: (rig) => Effect.gen(() => body(rig))
  }))

// ---- expectations -----------------------------------------------------------------------------------------------------

export const equal = <A>(actual: A, expected: A, about?: string): void => deepStrictEqual(actual, expected, about)

export const isTrue = (condition: boolean, otherwise: string): void => {
  if (!condition) fail(otherwise)
}

/** The same members, in any order. */
export const sameMembers = (actual: ReadonlyArray<string>, expected: ReadonlyArray<string>): void =>
  deepStrictEqual([...actual].sort(), [...expected].sort())
