/**
 * One check of a store: what is, and where that is not as it should be, what to do.
 */
import type { Refusal } from "../Rights.ts"

/** What is known of a store, and of how it is used. */
export interface Facts {
  /** The fields of INFO; empty when the user may not ask. */
  readonly info: ReadonlyMap<string, string>
  /** Of CONFIG GET what INFO does not tell; empty when it was not asked, or the user or the provider forbids it. */
  readonly settings: ReadonlyMap<string, string>
  readonly refused: ReadonlyArray<Refusal>
  /** The layout of the data; undefined when it could not be read. */
  readonly layout: string | undefined
  /** How far the store's clock is ahead of this machine's, in milliseconds, and how exact that is: half a round trip. */
  readonly clock: { readonly ahead: number; readonly margin: number } | undefined
  /** How long the oldest timer or lease has been over, in milliseconds: it waits for a sweep. Undefined when it was not asked. */
  readonly overdue: number | undefined
  /** How the connection is made; undefined when that is not to be judged. */
  readonly access: Access | undefined
  /** What keys and channels begin with. */
  readonly namespace: string
  /** Whether the connection is one to a Cluster. */
  readonly cluster: boolean
}

export interface Access {
  /** Over TLS. */
  readonly secure: boolean
  /** With a password. */
  readonly authenticated: boolean
  /** On this machine. */
  readonly local: boolean
}

export type About =
  | "server"
  | "role"
  | "cluster"
  | "access"
  | "rights"
  | "layout"
  | "eviction"
  | "memory"
  | "persistence"
  | "replicas"
  | "clock"
  | "sweeps"
  | "damaged"
  | "dead"

export type Check =
  | { readonly _tag: "Ok"; readonly about: About; readonly says: string }
  /** Good to know, and for some a reason to change it. */
  | { readonly _tag: "Note"; readonly about: About; readonly says: string; readonly advice: string }
  /** It works, and keeps or promises less than it could. */
  | { readonly _tag: "Warning"; readonly about: About; readonly says: string; readonly advice: string }
  /** Runs must not be kept here. `passes`: it may change by itself, as after a fail-over. */
  | {
      readonly _tag: "Error"
      readonly about: About
      readonly says: string
      readonly advice: string
      readonly passes: boolean
    }

export const ok = (about: About, says: string): Check => ({ _tag: "Ok", about, says })
export const note = (about: About, says: string, advice: string): Check => ({ _tag: "Note", about, says, advice })
export const warning = (about: About, says: string, advice: string): Check => ({ _tag: "Warning", about, says, advice })
export const error = (about: About, says: string, advice: string, passes = false): Check => ({
  _tag: "Error",
  about,
  says,
  advice,
  passes
})
