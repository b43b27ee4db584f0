/**
 * The store that several processes share: a Redis, named by `--redis` or ARPEGGIO_REDIS_URL. Its broker is loaded only
 * when it is used, so that commands without a store start as fast as before.
 */
import * as Server from "@arpeggio/broker-redis/Server"
import type { Broker } from "@arpeggio/core/Broker"
import type {
  BrokerUnavailable,
  IncompatibleStore,
  NodeNotFound,
  RunDamaged,
  RunNotEnded,
  RunNotFound
} from "@arpeggio/core/Failure"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { StoreUnavailable, WrongUse } from "./ExitCode.ts"
import type { RunFailed } from "./ExitCode.ts"
import * as ShellWord from "./ShellWord.ts"

/** The flags of every command that needs a store. */
export const flags = {
  redis: Flag.String("redis").pipe(
    Flag.withMetavar("url"),
    Flag.withDescription(
      "The Redis that all processes share: redis://host:port, rediss://host:port?ca=file for TLS, redis+socket:///path, redis+sentinel://host,host/name, redis+cluster://host,host (default: ARPEGGIO_REDIS_URL, the place for a URL with a password)"
    ),
    Flag.optional
  ),
  namespace: Flag.String("namespace").pipe(
    Flag.withMetavar("prefix"),
    Flag.filter(
      (prefix) => prefix !== "" && !/[{}\s]/.test(prefix),
      () => "Expected: a text without blanks and braces"
    ),
    Flag.withDescription("What all keys in the Redis begin with (default: arpeggio:)"),
    Flag.optional
  )
}

/** The broker's own limit; asking it would load it. */
export const mostPartitions = 1_024

/** The flags of a command that may be the first to use a store: what is decided then stays. */
export const founding = {
  ...flags,
  partitions: Flag.Int("partitions").pipe(
    Flag.withMetavar("n"),
    Flag.filter(
      (n) => n >= 1 && n <= mostPartitions,
      (n) => `Expected: 1 to ${mostPartitions}, and it is ${n}`
    ),
    Flag.withDescription(
      "Over how many partitions the runs are spread, where one core of Redis is not enough; decided once, by who uses a store first (default: what the store has, 1 for a new one)"
    ),
    Flag.optional
  )
}

/** The flags as given. */
export interface Given {
  readonly redis: Option.Option<string>
  readonly namespace: Option.Option<string>
  readonly partitions?: Option.Option<number>
  /** Milliseconds. */
  readonly lease?: Option.Option<number>
  readonly stallBudget?: Option.Option<number>
}

/** A store that was named. */
export interface Store {
  /** With its password, for the broker alone. */
  readonly url: string
  readonly namespace: string | undefined
  /** How this process sets its broker up, where the defaults won't do. */
  readonly settings: {
    readonly partitions: number | undefined
    readonly lease: number | undefined
    readonly stallBudget: number | undefined
  }
  /** For people: without the password. */
  readonly name: string
  /** What another command needs to find it, with a blank in front: ` --redis redis://…`; nothing when it is in the environment. */
  readonly flags: string
  /** The password was typed on the command line. */
  readonly exposed: boolean
}

const variable = "ARPEGGIO_REDIS_URL"

/** The store that is named, by the flag before the environment; nothing when none is. */
export const find = (given: Given): Result.Result<Store | undefined, WrongUse> => {
  const typed = Option.getOrUndefined(given.redis)
  const url = typed ?? process.env[variable] ?? ""
  if (typed === undefined && url === "") return Result.succeed(undefined)
  const read = Server.fromUrl(url)
  if (Result.isFailure(read)) {
    const where = typed === undefined ? variable : "--redis"
    return Result.fail(new WrongUse({ reason: "NoStore", message: `${where} names no store. ${read.failure.reason}` }))
  }
  const namespace = Option.getOrUndefined(given.namespace)
  const open = Server.withoutSecrets(url)
  const exposed = typed !== undefined && open !== url
  return Result.succeed({
    url,
    namespace,
    settings: {
      partitions: Option.getOrUndefined(given.partitions ?? Option.none()),
      lease: Option.getOrUndefined(given.lease ?? Option.none()),
      stallBudget: Option.getOrUndefined(given.stallBudget ?? Option.none())
    },
    name: namespace === undefined ? open : `${open} (keys ${namespace}…)`,
    flags: [
      typed === undefined ? "" : exposed ? ` --redis "$${variable}"` : ` --redis ${ShellWord.of(open)}`,
      namespace === undefined ? "" : ` --namespace ${namespace}`
    ].join(""),
    exposed
  })
}

/** The store, or what to say when none is named. */
export const named = (given: Given): Result.Result<Store, WrongUse> =>
  Result.flatMap(find(given), (store) =>
    store !== undefined
      ? Result.succeed(store)
      : Result.fail(
          new WrongUse({
            reason: "NoStore",
            message: `No store is named. Give --redis redis://localhost:6379, or set ${variable}.`
          })
        )
  )

/** What commands on a store fail with. */
export type Failure = WrongUse | RunFailed | StoreUnavailable

type Trouble = Failure | BrokerUnavailable | IncompatibleStore | RunNotFound | RunDamaged | RunNotEnded | NodeNotFound

/** What went wrong with a store, as a command says it. */
export const failureOf =
  (store: Store) =>
  (error: Trouble): Failure => {
    switch (error._tag) {
      case "BrokerUnavailable":
      case "IncompatibleStore":
        return new StoreUnavailable({ message: sentence(store, error) })
      case "RunNotFound":
      case "RunDamaged":
      case "RunNotEnded":
      case "NodeNotFound":
        return new WrongUse({ reason: error._tag, message: error.message })
      case "WrongUse":
      case "RunFailed":
      case "StoreUnavailable":
        return error
    }
  }

/** Runs something with the broker of a store. What the broker logs goes to `log`, or nowhere. */
export const provide = <A, R>(
  store: Store,
  use: Effect.Effect<A, Trouble, R>,
  log: Layer.Layer<never> = Logger.layer([])
): Effect.Effect<A, Failure, Exclude<R, Broker>> =>
  Effect.gen(function* () {
    const { RedisBroker } = yield* Effect.promise(() => import("@arpeggio/broker-redis"))
    const broker = RedisBroker.layer({ url: store.url, namespace: store.namespace, ...store.settings })
    return yield* Effect.provide(use, Layer.provide(broker, log))
  }).pipe(Effect.mapError(failureOf(store)))

/** Runs a command with the broker of a store, which is to be there. `doctor` says what could be better about it. */
export const withBroker = <A, R>(
  store: Store,
  json: boolean,
  use: Effect.Effect<A, Trouble, R>
): Effect.Effect<A, Failure, Exclude<R, Broker>> => Effect.andThen(warn(store, json), provide(store, use))

/** The same for a process that goes on: what the broker has to say stands in its journal. */
export const serve = <A, R>(
  store: Store,
  json: boolean,
  use: Effect.Effect<A, Trouble, R>
): Effect.Effect<A, Failure, Exclude<R, Broker>> =>
  Effect.gen(function* () {
    yield* warn(store, json)
    const Journal = yield* Effect.promise(() => import("./Journal.ts"))
    return yield* provide(store, use, Journal.logger({ json }))
  })

/** That a store does not answer, and what about it. */
export const sentence = (store: Store, { reason }: BrokerUnavailable | IncompatibleStore): string =>
  `The store ${store.name} can't be used: ${reason.replace(/[^.?!]$/, "$&.")}`

/** Says so where a password was typed on the command line. */
export const warn = ({ exposed }: Store, json: boolean): Effect.Effect<void> =>
  Effect.sync(() => {
    if (!exposed) return
    const message = `The password in --redis can be read by everybody on this machine (ps) and stays in the history of your shell. Set ${variable} instead.`
    process.stderr.write(
      json ? `${JSON.stringify({ warning: { reason: "PasswordShown", message } })}\n` : `arpeggio: ${message}\n`
    )
  })
