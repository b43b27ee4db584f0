/**
 * Listens to channels over a connection that is replaced as soon as it ends or stops answering. A connection that only
 * listens is owed no reply, so nobody would notice that its network has gone: it is asked now and then whether it is there.
 *
 * Publishing reaches every node of a cluster and every replica, so one connection to any of them hears it all.
 */
import { BrokerUnavailable } from "@arpeggio/core/Failure"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Random from "effect/Random"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import type { Redis } from "ioredis"
import { reasonOf } from "./Dialer.ts"
import type { Listening } from "./Dialer.ts"

type OnMessage = (message: string) => void

/**
 * Listens to a channel from now on, until the scope of the subscriber closes. Returns when it is subscribed to; what is
 * published then is heard, but for what is lost on the way. Who listens already does so once.
 */
export type Listen = (channel: string, onMessage: OnMessage) => Effect.Effect<void, BrokerUnavailable>

/** `dial` gives a new connection; `deadline` is how long one may be silent when asked, in milliseconds. */
export const make = (dial: () => Promise<Listening>, deadline: number): Effect.Effect<Listen, never, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Scope.Scope
    const listeners = new Map<string, OnMessage>()
    const heard = new Set<string>()
    const oneByOne = Semaphore.makeUnsafe(1)
    let current: Redis | undefined
    let isSupervised = false

    const open = Effect.acquireRelease(attempt(dial), ({ client }) =>
      Effect.sync(() => {
        if (current === client) current = undefined
        client.disconnect()
      })
    ).pipe(
      Effect.tap(({ client }) => {
        client.on("message", (channel, message) => listeners.get(channel)?.(message))
        // From here on who listens to more subscribes by this client as well.
        current = client
        return attempt(() => client.subscribe(...listeners.keys()))
      })
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
      const listening = yield* Scope.provide(open, first).pipe(Effect.onError(() => Scope.close(first, Exit.void)))
      isSupervised = true
      yield* watch(listening).pipe(
        Effect.onExit((exit) => Scope.close(first, exit)),
        Effect.catchCause(() => supervised),
        Effect.forkIn(scope)
      )
    })

    const subscribe = (channel: string, onMessage: OnMessage) =>
      Effect.suspend(() => {
        if (heard.has(channel)) return Effect.void
        listeners.set(channel, onMessage)
        const client = current
        // With none at the moment, the next one subscribes to all.
        const reached = client === undefined ? Effect.void : attempt(() => client.subscribe(channel))
        return Effect.onExit(isSupervised ? reached : begin, (exit) =>
          Effect.sync(() => (Exit.isSuccess(exit) ? heard.add(channel) : listeners.delete(channel)))
        )
      })

    return (channel, onMessage) =>
      Effect.suspend(() => (heard.has(channel) ? Effect.void : oneByOne.withPermit(subscribe(channel, onMessage))))
  })

const attempt = <A>(call: () => Promise<A>): Effect.Effect<A, BrokerUnavailable> =>
  Effect.tryPromise({
    try: call,
    catch: (cause) => new BrokerUnavailable({ reason: `Redis can't be listened to: ${reasonOf(cause)}.` })
  })

const ended = (client: Redis): Effect.Effect<never, BrokerUnavailable> =>
  Effect.callback((resume) => {
    const onEnd = () => resume(new BrokerUnavailable({ reason: "the connection has ended" }))
    client.once("end", onEnd)
    return Effect.sync(() => client.off("end", onEnd))
  })
