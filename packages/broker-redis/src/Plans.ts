/**
 * Plans and elements in the store. Both may be large, so they are kept aside in chunks before the call that uses them.
 */
import type { Payload } from "@arpeggio/core/Broker"
import type { BrokerUnavailable } from "@arpeggio/core/Failure"
import type { Plan } from "@arpeggio/core/Plan"
import * as Effect from "effect/Effect"
import type { DecidedFork, StoredPlan } from "./Codec.ts"
import type { Connection } from "./Connection.ts"
import { isOfData } from "./Connection.ts"
import * as Keys from "./Keys.ts"
import * as Nonce from "./Nonce.ts"
import * as Program from "./Program.ts"
import * as Scripts from "./Scripts.ts"

/** Elements, and fields of a plan, that travel in one call at most; more are staged in chunks of this many. */
export const chunk = 500

/** Characters that travel in one call at most, but for a text that is longer by itself. */
export const mostCharacters = 1_048_576

export interface Plans {
  /** The plan of a whole hash, or of the part of it that names it in the store; undefined where it is not there, or damaged. */
  readonly get: (hash: string) => Effect.Effect<StoredPlan | undefined, BrokerUnavailable>
  readonly store: (plan: Plan, hash: string) => Effect.Effect<void, BrokerUnavailable>
  /**
   * Keeps the elements of forks aside where they are many. `script` says whether that is refused when memory is full: it
   * is for a submission, not for an outcome.
   */
  readonly stage: (
    script: Scripts.Script,
    plan: Plan,
    elements: ReadonlyMap<number, ReadonlyArray<Payload>>
  ) => Effect.Effect<ReadonlyArray<DecidedFork>, BrokerUnavailable>
  /** Stages texts by position, to be removed after a while if nobody uses them; the whole name of their hash. */
  readonly keep: (
    script: Scripts.Script,
    key: string,
    texts: ReadonlyArray<string>
  ) => Effect.Effect<string, BrokerUnavailable>
}

/** Plans kept at once. */
const capacity = 256

/** 72 bits of the hash name a plan in the store: every run carries them, and no store has millions of plans. */
export const nameOf = (hash: string): string => {
  let name = names.get(hash)
  if (name === undefined) {
    name = /^[0-9a-f]{64}$/.test(hash) ? Buffer.from(hash.slice(0, 18), "hex").toString("base64url") : hash
    if (names.size >= capacity) names.clear()
    names.set(hash, name)
  }
  return name
}

/** To find a name again costs less than to make it, and every submission asks. */
const names = new Map<string, string>()

export const make = (connection: Connection, prefix: string): Plans => {
  const known = new Map<string, StoredPlan>()
  const remember = (name: string, stored: StoredPlan): StoredPlan => {
    known.set(name, stored)
    if (known.size > capacity) known.delete(known.keys().next().value!)
    return stored
  }

  const read = (key: string, names: ReadonlyArray<string>) =>
    Effect.map(connection.command("HMGET", key, ...names), (reply) => reply as ReadonlyArray<string | null>)

  const get: Plans["get"] = (hash) =>
    Effect.suspend(() => {
      const name = nameOf(hash)
      const cached = known.get(name)
      if (cached !== undefined) return Effect.succeed(cached)
      return Effect.gen(function* () {
        const key = prefix + Keys.plan(name)
        const [json, whole, count] = yield* read(key, ["json", "hash", "jsons"])
        if (typeof json !== "string" || typeof whole !== "string") return undefined
        const further = Array.from({ length: Number(count ?? 1) - 1 }, (_, i) => Program.nameOf("json", i + 1))
        const pieces = yield* Effect.forEach(chunksOf(further, 4), (names) => read(key, names))
        const texts = [json, ...pieces.flat()]
        const plan = texts.includes(null) ? undefined : parse(texts.join(""))
        return plan && remember(name, { plan, hash: whole })
      }).pipe(Effect.catchDefect((defect) => (isOfData(defect) ? Effect.undefined : Effect.die(defect))))
    })

  const fill = (script: Scripts.Script, key: string, pairs: ReadonlyArray<readonly [string | number, string]>) =>
    Effect.forEach(portionsOf(pairs), (some) => connection.run(script, prefix, [key, ...some.flat()]), {
      discard: true
    })

  const keep: Plans["keep"] = (script, key, texts) =>
    Effect.as(
      fill(
        script,
        key,
        texts.map((text, index) => [index, text] as const)
      ),
      prefix + key
    )

  return {
    get,
    store: (plan, hash) => fill(Scripts.stage, Keys.plan(nameOf(hash)), Program.fields(plan, hash)),
    stage: (script, plan, elements) =>
      Effect.forEach(elements, ([fork, payloads]): Effect.Effect<DecidedFork, BrokerUnavailable> => {
        const decided = { fork, collect: Program.collectOf(plan, fork), count: payloads.length }
        if (payloads.length <= chunk && lengthOf(payloads) <= mostCharacters)
          return Effect.succeed({ ...decided, elements: payloads })
        return Effect.map(keep(script, Keys.staged(Nonce.make()), payloads), (name) => ({ ...decided, elements: name }))
      }),
    keep
  }
}

/** Nothing where that is no plan as it was stored. */
const parse = (json: string): Plan | undefined => {
  try {
    return JSON.parse(json) as Plan
  } catch {
    return undefined
  }
}

export const lengthOf = (texts: ReadonlyArray<string>): number => texts.reduce((sum, { length }) => sum + length, 0)

/** In order, what goes with one call each. */
const portionsOf = <P extends readonly [unknown, string]>(pairs: ReadonlyArray<P>): ReadonlyArray<ReadonlyArray<P>> => {
  const portions: Array<Array<P>> = []
  let characters = Infinity
  for (const pair of pairs) {
    characters += pair[1].length
    if (characters > mostCharacters || portions.at(-1)!.length === chunk) {
      portions.push([])
      characters = pair[1].length
    }
    portions.at(-1)!.push(pair)
  }
  return portions
}

export const chunksOf = <A>(values: ReadonlyArray<A>, size: number): ReadonlyArray<ReadonlyArray<A>> =>
  Array.from({ length: Math.ceil(values.length / size) }, (_, i) => values.slice(i * size, (i + 1) * size))
