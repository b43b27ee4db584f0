/**
 * Connections to Redis that can't go deaf. Every call has its own deadline; a socket that owes a reply longer than that is
 * destroyed and replaced (`socketTimeout`: the only option of ioredis that recovers from a silent network). Commands in
 * flight are sent again after a reconnect, which is safe because every script is idempotent.
 *
 * Errors that pass (loading, busy, fail-over, no memory for admission) are tried again with back-off until the deadline.
 */
import { BrokerUnavailable } from "@arpeggio/core/Failure"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { Redis, type RedisOptions } from "ioredis"
import { code, type Script } from "./Scripts.ts"

export interface Options {
  /** `redis://…` or `rediss://…` for TLS. */
  readonly url: Redacted.Redacted<string>
  /** How long a call may take, in milliseconds. */
  readonly deadline: number
  /** What else ioredis should know: TLS, Sentinels, names. */
  readonly redis: Omit<RedisOptions, "replyMapping">
}

/** What a reply may be; replies to scripts and inspections are strings, numbers and arrays of them. */
export type Reply = string | number | null | ReadonlyArray<Reply>

export interface Connection {
  readonly run: (script: Script, args: ReadonlyArray<string | number>) => Effect.Effect<Reply, BrokerUnavailable>
  readonly command: (name: string, ...args: ReadonlyArray<string | number>) => Effect.Effect<Reply, BrokerUnavailable>
  /** Listens to channels until the scope closes. */
  readonly listen: (
    channels: ReadonlyArray<string>,
    onMessage: (channel: string, message: string) => void
  ) => Effect.Effect<void, BrokerUnavailable, Scope.Scope>
}

/** Opens a connection whose scripts get `prefix` as their key. */
export const make = (options: Options, prefix: string): Effect.Effect<Connection, BrokerUnavailable, Scope.Scope> =>
  Effect.gen(function* () {
    const client = yield* open(options)

    const attempt = (call: () => Promise<unknown>): Effect.Effect<Reply, BrokerUnavailable> =>
      Effect.tryPromise({ try: call as () => Promise<Reply>, catch: unavailable }).pipe(
        Effect.retry({ while: (error: BrokerUnavailable) => isPassing(error.reason), schedule: backOff }),
        Effect.timeoutOrElse({
          duration: options.deadline,
          orElse: () =>
            Effect.fail(
              new BrokerUnavailable({
                reason: `Redis did not answer within ${options.deadline} ms. Look at its load and at the network.`
              })
            )
        })
      )

    return {
      run: (script, args) => attempt(() => evaluate(client, script, prefix, args)),
      command: (name, ...args) => attempt(() => client.call(name, ...args)),
      listen: (channels, onMessage) =>
        Effect.gen(function* () {
          const subscriber = yield* open(options)
          subscriber.on("message", onMessage)
          yield* Effect.tryPromise({ try: () => subscriber.subscribe(...channels), catch: unavailable })
        })
    }
  })

const open = (options: Options): Effect.Effect<Redis, BrokerUnavailable, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.tryPromise({
      try: async () => {
        const client = new Redis(Redacted.value(options.url), {
          ...options.redis,
          lazyConnect: true,
          protocol: 2,
          connectTimeout: options.deadline,
          socketTimeout: options.deadline,
          maxRetriesPerRequest: null,
          // Full jitter, so that many processes don't come back at the same instant.
          retryStrategy: (times) => Math.round(Math.random() * Math.min(2_000, 50 * 2 ** times))
        })
        // Without a listener ioredis prints. The calls themselves tell what went wrong; the first needs to be told here.
        let trouble = `no connection within ${options.deadline} ms`
        client.on("error", (error: Error) => {
          trouble = error.message
        })
        const timer = setTimeout(() => client.disconnect(), options.deadline)
        try {
          await client.connect()
          return client
        } catch {
          client.disconnect()
          throw new Error(
            `Redis at ${addressOf(client.options)} can't be used (${trouble}). Start it, or correct the address and the password.`
          )
        } finally {
          clearTimeout(timer)
        }
      },
      catch: unavailable
    }),
    (client) => Effect.sync(() => client.disconnect())
  )

/** Where it is, without anything secret. */
const addressOf = ({ host, name, path, port, sentinels }: RedisOptions): string =>
  sentinels != null
    ? `${name ?? "?"} of the Sentinels ${sentinels.map((sentinel) => `${sentinel.host}:${sentinel.port}`).join(", ")}`
    : (path ?? `${host}:${port}`)

/** One call of a function; the library is sent first when Redis does not have it (a new server, a flush). */
const evaluate = async (
  client: Redis,
  script: Script,
  prefix: string,
  args: ReadonlyArray<string | number>
): Promise<unknown> => {
  try {
    return await client.fcall(script.name, 1, prefix, ...args)
  } catch (error) {
    if (!(error instanceof Error) || !error.message.startsWith("ERR Function not found")) throw error
    await client.call("FUNCTION", "LOAD", "REPLACE", code)
    return client.fcall(script.name, 1, prefix, ...args)
  }
}

const backOff = Schedule.min([Schedule.exponential("20 millis"), Schedule.spaced("1 second")]).pipe(Schedule.jittered)

const passing = /^(LOADING|BUSY|TRYAGAIN|CLUSTERDOWN|MASTERDOWN|NOREPLICAS|MISCONF|READONLY|UNBLOCKED)\b/
const isPassing = (reason: string): boolean => passing.test(reason)

/** Only the message: ioredis hangs the whole command on its errors, payloads included. */
const unavailable = (cause: unknown): BrokerUnavailable =>
  new BrokerUnavailable({ reason: cause instanceof Error ? cause.message : String(cause) })
