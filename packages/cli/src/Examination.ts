/**
 * What a store is like and what is in it, as `doctor` tells it: checks with what to do about them, and, where no check
 * forbids to use the store, its runs, queues and workers.
 */
import type { Access, Check, Facts } from "@arpeggio/broker-redis/Checks"
import * as Server from "@arpeggio/broker-redis/Server"
import type { Broker } from "@arpeggio/core/Broker"
import * as Client from "@arpeggio/core/Client"
import type { BrokerUnavailable } from "@arpeggio/core/Failure"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as DamagedRuns from "./DamagedRuns.ts"
import * as Figures from "./Figures.ts"
import * as Inspection from "./Inspection.ts"
import * as Store from "./Store.ts"

export interface Examination {
  readonly page: Inspection.Page
  readonly errors: number
}

export interface Options {
  /** Whether to end the runs that are damaged. */
  readonly repair: boolean
}

export const of = (store: Store.Store, options: Options): Effect.Effect<Examination, Store.Failure> =>
  Effect.gen(function* () {
    const { checks: found, damaged, facts, repaired } = yield* examine(store, options)
    const errors = found.filter(({ _tag }) => _tag === "Error").length
    const content = errors > 0 ? undefined : yield* Store.provide(store, contents)
    const checks =
      content === undefined ? found : [...found, DamagedRuns.check(damaged, store), deadLetters(content.dead, store)]
    const warnings = checks.filter(({ _tag }) => _tag === "Warning").length
    const server = yield* describe(facts)
    return {
      errors,
      page: {
        lines: [
          `${server.document.name} ${server.document.version} at ${store.name}`,
          ...(server.sentence === "" ? [] : [server.sentence]),
          "",
          ...checks.flatMap(linesOf),
          ...(repaired.length === 0 ? [] : ["", ...DamagedRuns.toLines(repaired, store)]),
          ...(content === undefined ? [] : ["", ...content.lines]),
          "",
          verdict(errors, warnings)
        ],
        document: {
          store: store.name,
          server: server.document,
          checks: checks.map(({ _tag, ...check }) => ({ level: levels[_tag], ...check })),
          errors,
          warnings,
          ...(content === undefined ? {} : { damaged }),
          ...(options.repair
            ? { repaired: repaired.map((one) => ({ ...one, next: DamagedRuns.remedyOf(one, store) })) }
            : {}),
          ...content?.document
        }
      }
    }
  })

/** Into a store that is not sound nobody looks further, and nothing is repaired. */
const examine = (store: Store.Store, { repair }: Options) =>
  Effect.gen(function* () {
    const [Connection, Preflight, Repair] = yield* Effect.promise(() =>
      Promise.all([
        import("@arpeggio/broker-redis/Connection"),
        import("@arpeggio/broker-redis/Preflight"),
        import("@arpeggio/broker-redis/Repair")
      ])
    )
    const server = yield* Effect.fromResult(Server.fromUrl(Redacted.make(store.url)))
    const connection = yield* Connection.make({ server, deadline: Duration.toMillis(patience), redis: {} })
    const namespace = store.namespace ?? "arpeggio:"
    const cluster = server._tag === "Cluster"
    const found = yield* Preflight.examine(Preflight.over(connection), { namespace, cluster, access: accessOf(server) })
    if (found.checks.some(({ _tag }) => _tag === "Error")) return { ...found, repaired: [], damaged: [] }
    const repaired = repair ? yield* Repair.repair(connection, namespace) : []
    return { ...found, repaired, damaged: yield* Repair.list(connection, namespace) }
  }).pipe(Effect.scoped, Effect.mapError(Store.failureOf(store)))

const accessOf = (server: Server.Server): Access => ({
  secure: server.tls !== false,
  authenticated: server.password !== undefined,
  local: Server.addressesOf(server).every(
    (address) => "path" in address || /^(localhost|127\..*|::1)$/.test(address.host)
  )
})

/** How long the store may take for an answer. */
const patience = Duration.seconds(5)

// ---- the server -----------------------------------------------------------------------------------------------------

const describe = ({ info }: Facts) =>
  Effect.gen(function* () {
    const Checks = yield* Effect.promise(() => import("@arpeggio/broker-redis/Checks"))
    const { name, version } = Checks.serverOf(info)
    const uptime = numberOf(info, "uptime_in_seconds")
    const used = numberOf(info, "used_memory")
    const limit = numberOf(info, "maxmemory")
    const memory =
      used === undefined
        ? ""
        : `, ${Checks.bytes(used)} in use${(limit ?? 0) === 0 ? "" : ` of ${Checks.bytes(limit!)}`}`
    return {
      sentence: uptime === undefined ? "" : `Up for ${Figures.duration(uptime * 1_000)}${memory}.`,
      document: {
        name,
        version,
        uptime: uptime === undefined ? undefined : uptime * 1_000,
        usedMemory: used,
        maxMemory: limit,
        clients: numberOf(info, "connected_clients")
      }
    }
  })

const numberOf = (info: Facts["info"], field: string): number | undefined => {
  const value = info.get(field)
  return value === undefined ? undefined : Number(value)
}

const levels = { Ok: "ok", Note: "note", Warning: "warning", Error: "error" } as const
const marks = { Ok: "✓", Note: "·", Warning: "!", Error: "✗" } as const

/** As wide as the longest subject. */
const column = "persistence".length

const linesOf = (check: Check): ReadonlyArray<string> => {
  const subject = check.about.padEnd(column)
  const first = `${marks[check._tag]} ${subject}  ${check.says}`
  return "advice" in check ? [first, `${" ".repeat(column + 4)}${check.advice}`] : [first]
}

const verdict = (errors: number, warnings: number): string => {
  if (errors > 0) return `${Figures.plural(errors, "error")}: runs must not be kept here before that is mended.`
  return warnings === 0 ? "It is sound." : `It can be used; ${Figures.plural(warnings, "warning")} above.`
}

/** What a worker dies of, other workers may die of too. */
const deadLetters = (count: number, { flags }: Store.Store): Check =>
  count === 0
    ? { _tag: "Ok", about: "dead", says: "No node was given up because workers died over it." }
    : {
        _tag: "Warning",
        about: "dead",
        says: `${Figures.plural(count, "node was", "nodes were")} given up because workers died over ${count === 1 ? "it" : "them"}${count === newest ? "; there may be more" : ""}.`,
        advice: `See which, and how to run them again: arpeggio dead${flags}`
      }

// ---- what is in it --------------------------------------------------------------------------------------------------

/** Runs and dead letters that are looked at: reading all would take long where many have ended. */
const newest = 1_000

interface Contents {
  readonly lines: ReadonlyArray<string>
  readonly document: { readonly [name: string]: unknown }
  /** Dead letters. */
  readonly dead: number
}

const contents: Effect.Effect<Contents, BrokerUnavailable, Broker> = Effect.gen(function* () {
  const runs = yield* Client.runs({ limit: newest })
  const dead = yield* Client.dead({ limit: newest })
  const queues = yield* Inspection.queues
  const workers = yield* Inspection.workers
  const states = { running: 0, succeeded: 0, failed: 0, cancelled: 0 }
  for (const { state } of runs) states[state]++
  const counts = Object.entries(states).map(([state, count]) => `${Figures.count(count)} ${state}`)
  const which = runs.length === newest ? `The newest ${Figures.count(newest)} runs` : Figures.plural(runs.length, "run")
  return {
    lines: [
      runs.length === 0 ? "There are no runs." : `${which}: ${counts.join(", ")}.`,
      "",
      ...queues.lines,
      "",
      ...workers.lines
    ],
    document: { runs: { newest: runs.length, ...states }, queues: queues.document, workers: workers.document },
    dead: dead.length
  }
})
