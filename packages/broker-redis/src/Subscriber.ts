/**
 * Listens to channels over a connection that is replaced as soon as it ends or stops answering. A connection that only
 * listens is owed no reply, so nobody would notice that its network has gone: it is asked now and then whether it is there.
 *
 * Publishing reaches every node of a cluster and every replica, so one connection to any of them hears it all.
 */
import { BrokerUnavailable } from "@arpeggio/core/Failure"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Scope from "effect/Scope"
import type { Redis } from "ioredis"
import type { Listening } from "./Dialer.ts"

type OnMessage = (channel: string, message: string) => void

/** Returns when the channels are subscribed to; what is published from then on is heard, but for what is lost on the way. */
export type Listen = (
  channels: ReadonlyArray<string>,
  onMessage: OnMessage
) => Effect.Effect<void, BrokerUnavailable, Scope.Scope>

/** `dial` gives a new connection; `deadline` is how long one may be silent when asked, in milliseconds. */
export const make = (dial: () => Promise<Listening>, deadline: number): Effect.Effect<Listen, never, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Scope.Scope
    const listeners = new Map<string, OnMessage>()
    let current: Redis | undefined

    const open = Effect.acquireRelease(attempt(dial), ({ client }) =>
      Effect.sync(() => {
        if (current === client) current = undefined
        client.disconnect()
      })
    ).pipe(
      Effect.tap(({ client }) => {
        client.on("message", (channel, message) => listeners.get(channel)?.(channel, message))
        return attempt(() => client.subscribe(...listeners.keys()))
      }),
      Effect.tap(({ client }) => Effect.sync(() => (current = client)))
    )

    /** Fails when the connection is of no use any more. */
    const watch = ({ client, isPartOfIt }: Listening): Effect.Effect<never, BrokerUnavailable> =>
      Effect.forever(
        Effect.gen(function* () {
          yield* Effect.raceFirst(Effect.sleep(deadline), ended(client))
          if (!isPartOfIt()) return yield* new BrokerUnavailable({ reason: "the node has left the cluster" })
          yield* Effect.timeoutOrElse(
            attempt(() => client.ping()),
            { duration: deadline, orElse: () => new BrokerUnavailable({ reason: "no answer" }) }
          )
        })
      )

    const session = Effect.scoped(Effect.flatMap(open, watch))
    const pause = Effect.flatMap(Random.nextBetween(20, 200), Effect.sleep)
    const supervised = Effect.forever(Effect.catchCause(session, () => pause))

    /** The first session is opened by who listens first, so that it hears of a failure. */
    const begin = Effect.gen(function* () {
      const first = yield* Scope.fork(scope)
      const listening = yield* Scope.provide(open, first)
      yield* watch(listening).pipe(
        Effect.onExit((exit) => Scope.close(first, exit)),
        Effect.catchCause(() => supervised),
        Effect.forkIn(scope)
      )
    })

    return (channels, onMessage) =>
      Effect.gen(function* () {
        const isFirst = listeners.size === 0
        for (const channel of channels) listeners.set(channel, onMessage)
        yield* Effect.addFinalizer(() =>
          Effect.sync(() => {
            for (const channel of channels) listeners.delete(channel)
          })
        )
        if (isFirst) return yield* begin
        const client = current
        // With none at the moment, the next one subscribes to all.
        if (client !== undefined) yield* attempt(() => client.subscribe(...channels))
      })
  })

const attempt = <A>(call: () => Promise<A>): Effect.Effect<A, BrokerUnavailable> =>
  Effect.tryPromise({
    try: call,
    catch: (cause) => new BrokerUnavailable({ reason: cause instanceof Error ? cause.message : String(cause) })
  })

const ended = (client: Redis): Effect.Effect<never, BrokerUnavailable> =>
  Effect.callback((resume) => {
    const onEnd = () => resume(new BrokerUnavailable({ reason: "the connection has ended" }))
    client.once("end", onEnd)
    return Effect.sync(() => client.off("end", onEnd))
  })
