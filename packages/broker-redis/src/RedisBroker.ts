/**
 * The broker over Redis: one server, a primary with Sentinels, or a cluster. Any number of processes may use one store; the
 * store is authoritative for everything, its clock included.
 *
 * A store has one partition (`Partition.ts`), or several that share the runs (`Partitions.ts`) where one slot of a cluster,
 * and so one core of one Redis, is not enough. How many was decided by who used the store first.
 *
 * @example
 * ```ts
 * import { RedisBroker } from "@arpeggio/broker-redis"
 *
 * const broker = RedisBroker.layer({ url: "redis://localhost:6379" })
 *
 * const guarded = RedisBroker.layer({
 *   sentinels: [{ host: "sentinel-1", port: 26379 }, { host: "sentinel-2", port: 26379 }],
 *   name: "mymaster"
 * })
 *
 * const spread = RedisBroker.layer({ cluster: ["redis://node-1:6379", "redis://node-2:6379"], partitions: 8 })
 * ```
 */
import { Broker } from "@arpeggio/core/Broker"
import * as Defaults from "@arpeggio/core/Defaults"
import { IncompatibleStore } from "@arpeggio/core/Failure"
import type { BrokerUnavailable } from "@arpeggio/core/Failure"
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import type { Options as ConnectionOptions } from "./Connection.ts"
import * as Connection from "./Connection.ts"
import * as Heartbeat from "./Heartbeat.ts"
import * as Keys from "./Keys.ts"
import * as Partition from "./Partition.ts"
import * as Partitions from "./Partitions.ts"
import * as Preflight from "./Preflight.ts"
import type { Address, Credentials, Secrecy } from "./Server.ts"
import * as Server from "./Server.ts"

export type { Address, Credentials, Files, Secrecy } from "./Server.ts"

/** What does not depend on where the store is. */
export interface Settings {
  /** What all keys begin with. Default: `arpeggio:`. */
  readonly namespace?: string | undefined
  /**
   * How many partitions the runs are spread over. It is decided once, by the first who uses a store under this namespace;
   * another number is refused with `IncompatibleStore`. Default: what the store has, and 1 for a new one.
   */
  readonly partitions?: number | undefined
  /**
   * How long a call may take before it fails with `BrokerUnavailable`. Default: 5 seconds. The longest value has to cross the
   * network in it, which takes 27 Mbit/s for 16 Mi characters: raise it where long values cross a slower one.
   */
  readonly deadline?: Duration.Input | undefined
  /** How long a silent worker keeps what it holds. Default: 30 seconds. All processes of a store must agree. */
  readonly lease?: Duration.Input | undefined
  /**
   * For how long a worker whose event loop stands still keeps its lease all the same; a fifth of the lease at least. Others
   * get its work when the loop has stood still for this and one lease more. Default: 3 leases.
   */
  readonly stallBudget?: Duration.Input | undefined
  /** Workers that may die over one attempt before it fails with `PoisonPill`. Default: 3. */
  readonly maxDeliveries?: number | undefined
  /** How long ended runs are kept, and how many per state and partition. Default: 7 days and 10,000. */
  readonly retention?: { readonly age?: Duration.Input | undefined; readonly count?: number | undefined } | undefined
  /** The longest recorded value, in characters. Default: 16 Mi. */
  readonly payloadLimit?: number | undefined
  /** What else ioredis should know of each connection. */
  readonly redis?: ConnectionOptions["redis"] | undefined
}

/** One server, or whatever its URL names. */
export interface UrlOptions extends Settings, Secrecy {
  /**
   * `redis://…`, `rediss://…` for TLS, `redis+socket:///path`, or one of several hosts: `redis+sentinel://…/name`,
   * `redis+cluster://…`. What else it can say stands in docs/redis.md.
   */
  readonly url: string | Redacted.Redacted<string>
}

/** The primary that these Sentinels watch over, whichever server that is. */
export interface SentinelOptions extends Settings, Credentials {
  /** Some of the Sentinels; the others are found over them. */
  readonly sentinels: ReadonlyArray<Address>
  /** What the Sentinels call the primary. */
  readonly name: string
  /** The database's number. Default: 0. */
  readonly db?: number | undefined
  readonly sentinelUsername?: string | undefined
  readonly sentinelPassword?: string | Redacted.Redacted<string> | undefined
}

/** A cluster. */
export interface ClusterOptions extends Settings, Credentials {
  /** Some of its nodes, as addresses or as URLs of which host and port count; the others are found over them. */
  readonly cluster: ReadonlyArray<Address | string>
}

export type Options =
  | (UrlOptions & { readonly sentinels?: undefined; readonly cluster?: undefined })
  | (SentinelOptions & { readonly url?: undefined; readonly cluster?: undefined })
  | (ClusterOptions & { readonly url?: undefined; readonly sentinels?: undefined })

const serverOf = (options: Options): Result.Result<Server.Server, IncompatibleStore> => {
  const { certificates, tls } = options
  if (options.url !== undefined)
    return Result.map(Server.fromUrl(options.url), (server) => ({
      ...server,
      tls: tls ?? server.tls,
      certificates: certificates ?? server.certificates
    }))
  const { password, username } = options
  const credentials = { password, username, tls: tls ?? certificates !== undefined, certificates }
  if (options.cluster !== undefined) {
    const nodes = options.cluster.map((node) => (typeof node === "string" ? Server.addressOf(node, 6_379) : node))
    return Result.succeed({ _tag: "Cluster", nodes, ...credentials })
  }
  const { db = 0, name, sentinelPassword, sentinelUsername, sentinels } = options
  return Result.succeed({
    _tag: "Sentinel",
    sentinels,
    name,
    db,
    ...credentials,
    sentinelPassword,
    sentinelUsername
  })
}

const make = (options: Options): Effect.Effect<Broker["Service"], BrokerUnavailable | IncompatibleStore, Scope.Scope> =>
  Effect.gen(function* () {
    const namespace = options.namespace ?? "arpeggio:"
    const server = yield* Effect.fromResult(serverOf(options))
    const connection = yield* Connection.make({
      server,
      deadline: Duration.toMillis(options.deadline ?? Duration.seconds(5)),
      redis: options.redis ?? {}
    })
    const cluster = connection.options.server._tag === "Cluster"
    yield* Preflight.check(Preflight.over(connection), { namespace, cluster })
    const partitions = yield* countPartitions(connection, namespace, options.partitions)
    const lease = Duration.toMillis(options.lease ?? Defaults.lease)
    const stallBudget = Duration.toMillis(options.stallBudget ?? Defaults.stallBudget * lease)
    const settings: Partition.Settings = {
      namespace,
      lease,
      stallBudget,
      maxDeliveries: options.maxDeliveries ?? Defaults.maxDeliveries,
      payloadLimit: options.payloadLimit ?? Defaults.payload.limit,
      retention: {
        age: Duration.toMillis(options.retention?.age ?? Defaults.retention.age),
        count: options.retention?.count ?? Defaults.retention.count
      }
    }
    const brokers = Array.from({ length: partitions }, (_, index) => Partition.make(connection, settings, index))
    if (partitions === 1) return brokers[0]!
    const prefixes = Array.from(brokers, (_, index) => Keys.prefix(namespace, index))
    return Broker.of({
      ...Partitions.make(brokers),
      // One thread for all of them.
      heartbeat: (worker) => Heartbeat.make({ worker, prefixes, lease, stallBudget, connection: connection.options })
    })
  })

/** The number of partitions, which the first user of a store decides. */
const countPartitions = (
  connection: Connection.Connection,
  namespace: string,
  wanted: number | undefined
): Effect.Effect<number, BrokerUnavailable | IncompatibleStore> =>
  Effect.gen(function* () {
    if (wanted !== undefined && !(Number.isInteger(wanted) && wanted >= 1 && wanted <= Keys.mostPartitions))
      return yield* Effect.die(
        new RangeError(`partitions is ${wanted}; it must be a whole number from 1 to ${Keys.mostPartitions}.`)
      )
    const key = Keys.prefix(namespace, 0) + Keys.partitions
    // A server that is full refuses even a SET that would change nothing.
    const stored =
      (yield* connection.command("GET", key)) ?? (yield* connection.command("SET", key, wanted ?? 1, "NX", "GET"))
    if (stored === null) return wanted ?? 1
    const count = Number(stored)
    if (wanted === undefined || wanted === count) return count
    return yield* new IncompatibleStore({
      reason:
        `The store under the namespace ${namespace} has ${count} ${count === 1 ? "partition" : "partitions"}, and ` +
        `${wanted} ${wanted === 1 ? "is" : "are"} asked for. Leave \`partitions\` out to use what is there, or choose another namespace.`
    })
  })

/** The broker over the Redis that the options name. */
export const layer = (options: Options): Layer.Layer<Broker, BrokerUnavailable | IncompatibleStore> =>
  Layer.effect(Broker, make(options))

/**
 * The same, from configuration; secrets are read as redacted.
 *
 * @example
 * ```ts
 * import { RedisBroker } from "@arpeggio/broker-redis"
 * import * as Config from "effect/Config"
 *
 * const broker = RedisBroker.layerConfig({ url: Config.Redacted("ARPEGGIO_REDIS_URL") })
 * ```
 */
export const layerConfig = (
  options: Config.Wrap<UrlOptions> | Config.Wrap<SentinelOptions> | Config.Wrap<ClusterOptions>
): Layer.Layer<Broker, BrokerUnavailable | IncompatibleStore | Config.ConfigError> =>
  Layer.unwrap(Effect.map(Config.unwrap(options as Config.Wrap<Options>), layer))
