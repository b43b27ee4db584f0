/**
 * Looks at a store before it is used, at the cost of three small commands. Errors fail: with `IncompatibleStore`, which stays
 * until somebody changes something, or with `BrokerUnavailable` where waiting may help. Warnings are logged, each once per
 * process.
 *
 * What needs CONFIG GET, a right that a worker should not have, only `examine` asks, and does without it where it is refused.
 */
import { BrokerUnavailable, IncompatibleStore } from "@arpeggio/core/Failure"
import * as Effect from "effect/Effect"
import type { Check, Facts } from "./Checks.ts"
import * as Checks from "./Checks.ts"
import type { Connection, Reply } from "./Connection.ts"
import { Refused } from "./Connection.ts"
import * as Keys from "./Keys.ts"
import type { Refusal } from "./Rights.ts"
import * as Rights from "./Rights.ts"
import * as Scripts from "./Scripts.ts"

/** Calls that fail with what may pass, or with what Redis refuses for good. */
export interface Ask {
  readonly command: (
    name: string,
    ...args: ReadonlyArray<string | number>
  ) => Effect.Effect<Reply, BrokerUnavailable | Refused>
  /** Calls the function `preflight` of the library. */
  readonly preflight: (
    prefix: string,
    args: ReadonlyArray<string | number>
  ) => Effect.Effect<Reply, BrokerUnavailable | Refused>
}

/** Over a connection, for whose other users a refusal is a defect. */
export const over = (connection: Connection): Ask => {
  const refusable = (call: Effect.Effect<Reply, BrokerUnavailable>) =>
    Effect.catchDefect(call, (defect) => (defect instanceof Refused ? Effect.fail(defect) : Effect.die(defect)))
  return {
    command: (name, ...args) => refusable(connection.command(name, ...args)),
    preflight: (prefix, args) => refusable(connection.run(Scripts.preflight, prefix, args))
  }
}

export interface Options {
  /** What all keys begin with. */
  readonly namespace: string
  /** Whether the connection is one to a Cluster. */
  readonly cluster: boolean
  /** How the connection is made, where that is to be judged. */
  readonly access?: Checks.Access | undefined
}

/** Fails where runs must not be kept, and logs what is less than it could be. */
export const check = (ask: Ask, options: Options): Effect.Effect<void, BrokerUnavailable | IncompatibleStore> =>
  Effect.flatMap(gather(ask, options, new Map()), (facts) => accept(Checks.of(facts), facts.info.get("run_id") ?? ""))

/** All checks of a store and what they rest on, for people: with the settings that only CONFIG tells. */
export const examine = (
  ask: Ask,
  options: Options
): Effect.Effect<
  { readonly facts: Facts; readonly checks: ReadonlyArray<Check> },
  BrokerUnavailable | IncompatibleStore
> =>
  Effect.gen(function* () {
    const gathered = yield* gather(ask, options, yield* settingsOf(ask))
    const facts = { ...gathered, overdue: yield* overdueIn(ask, options.namespace, gathered) }
    return { facts, checks: Checks.of(facts) }
  })

/** By the store's clock, the oldest of all partitions; 0 when nothing is due. */
const overdueIn = (
  ask: Ask,
  namespace: string,
  { clock, layout, refused }: Facts
): Effect.Effect<number | undefined, BrokerUnavailable> =>
  Effect.gen(function* () {
    if (clock === undefined || layout !== Checks.layout || refused.length > 0) return undefined
    const now = Date.now() + clock.ahead
    const count = Number((yield* ask.command("GET", Keys.prefix(namespace, 0) + Keys.partitions)) ?? 1)
    let overdue = 0
    for (let partition = 0; partition < count; partition++) {
      for (const key of [Keys.timers, Keys.leases]) {
        const name = Keys.prefix(namespace, partition) + key
        const [, due] = (yield* ask.command("ZRANGE", name, 0, 0, "WITHSCORES")) as ReadonlyArray<string>
        if (due !== undefined) overdue = Math.max(overdue, now - Number(due))
      }
    }
    return overdue
  }).pipe(
    Effect.catchIf(
      (error) => error instanceof Refused,
      () => Effect.undefined
    )
  )

/** What was logged already: which server, and about what. */
const told = new Set<string>()

const accept = (
  checks: ReadonlyArray<Check>,
  server: string
): Effect.Effect<void, BrokerUnavailable | IncompatibleStore> => {
  const errors = checks.filter((check) => check._tag === "Error")
  const passing = errors.find(({ passes }) => passes)
  if (passing !== undefined) return Effect.fail(new BrokerUnavailable({ reason: inWords(passing) }))
  if (errors.length > 0) return Effect.fail(new IncompatibleStore({ reason: errors.map(inWords).join(" ") }))
  return Effect.forEach(
    checks.filter((check) => check._tag === "Warning"),
    (warning) => {
      const name = `${server} ${warning.about}`
      if (told.has(name)) return Effect.void
      told.add(name)
      return Effect.logWarning(inWords(warning))
    },
    { discard: true }
  )
}

/** Sentences: what is to be typed ends without a full stop. */
const inWords = ({ advice, says }: { readonly says: string; readonly advice: string }): string =>
  `${says} ${advice}`.replace(/(?<!\.)$/, ".")

/** What a store says. One that takes no writes, or is too old for the script, is asked nothing more. */
const gather = (
  ask: Ask,
  { access, cluster, namespace }: Options,
  settings: Facts["settings"]
): Effect.Effect<Facts, BrokerUnavailable | IncompatibleStore> =>
  Effect.gen(function* () {
    const refused: Array<Refusal> = []
    const permitted = (command: string, call: Effect.Effect<Reply, BrokerUnavailable | Refused>) =>
      Effect.catchIf(
        call,
        (error) => error instanceof Refused,
        ({ message }) => {
          const refusal = Rights.refusalOf(message, command)
          if (refusal === undefined) return Effect.fail(new IncompatibleStore({ reason: message }))
          refused.push(refusal)
          return Effect.undefined
        }
      )
    const info = parseInfo((yield* permitted("INFO", ask.command("INFO"))) ?? "")
    const known = {
      info,
      settings,
      refused,
      namespace,
      cluster,
      access,
      overdue: undefined,
      layout: undefined,
      clock: undefined
    }
    const isUsable = info.get("role") !== "slave" && Checks.isOldEnough(info) && isReachable(info, cluster)
    if (!isUsable) return known
    const prefix = Keys.prefix(namespace, 0)
    const probes = JSON.stringify(Rights.probes(prefix))
    const reply = yield* permitted("FCALL", ask.preflight(prefix, [Checks.layout, probes]))
    if (reply === undefined) return known
    // The second call is so short that it can tell the time.
    const before = Date.now()
    const again = yield* permitted("FCALL", ask.preflight(prefix, [Checks.layout, "[]"]))
    const after = Date.now()
    if (again === undefined) return known
    const [layout, , , ...refusals] = reply as ReadonlyArray<string>
    for (let i = 0; i < refusals.length; i += 2) {
      const refusal = Rights.refusalOf(refusals[i + 1]!, refusals[i]!)
      if (refusal !== undefined) refused.push(refusal)
    }
    const [, seconds, micros] = again as ReadonlyArray<string>
    const time = Number(seconds) * 1_000 + Number(micros) / 1_000
    return {
      ...known,
      layout: layout === "" ? undefined : layout,
      clock: seconds === "" ? undefined : { ahead: time - (before + after) / 2, margin: (after - before) / 2 }
    }
  })

/** A connection to one server of a Cluster would be sent elsewhere. */
const isReachable = (info: Facts["info"], cluster: boolean): boolean =>
  info.size === 0 || (info.get("cluster_enabled") === "1") === cluster

/** `name:value` lines; comments and blank lines are left out. */
const parseInfo = (text: Reply): Facts["info"] =>
  new Map(Array.from(String(text).matchAll(/^([^#:\s]+):([^\r\n]*)/gm), ([, name, value]) => [name!, value!] as const))

/** Forbidden by an ACL, or renamed by a provider, they stay unknown: INFO has most of it. */
const settingsOf = (ask: Ask): Effect.Effect<Facts["settings"], BrokerUnavailable> =>
  Effect.map(
    Effect.forEach(["maxmemory", "maxmemory-policy", "appendfsync", "save", "min-replicas-to-write"], (name) =>
      Effect.catchIf(
        ask.command("CONFIG", "GET", name),
        (error) => error instanceof Refused,
        () => Effect.succeed([])
      )
    ),
    (replies) =>
      new Map(
        (replies as ReadonlyArray<ReadonlyArray<string>>).flatMap(([name, value]) =>
          name === undefined || value === undefined ? [] : [[name, value] as const]
        )
      )
  )
