/**
 * Listens to channels over a connection that is replaced as soon as it ends or stops answering. A connection that only
 * listens is owed no reply, so nobody would notice that its network has gone: it is asked now and then whether it is there.
 *
 * Publishing reaches every node of a cluster and every replica, so one connection to any of them hears it all.
 */
import { BrokerUnavailable } from "@arpeggio/core/Failure"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Random from "effect/Random"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import type { Redis } from "ioredis"
import { reasonOf } from "./Dialer.ts"
import type { Listening } from "./Dialer.ts"

/** What a process does with the messages on a channel. */
export interface Subscription {
  readonly hear: (message: string) => void
  /** Whether somebody waits for messages now. */
  readonly isNeeded: () => boolean
  /** The channel is listened to no more. */
  readonly left: () => void
}

/**
 * Listens to a channel from now on, until nobody has needed it for a while or the scope of the subscriber closes. Returns when
 * it is subscribed to, so that what is published then is heard, but for what is lost on the way; and when the first attempt
 * fails, others following by themselves: messages are hints, and nothing is to wait for them. Who listens already does so once.
 */
export type Listen = (channel: string, subscription: Subscription) => Effect.Effect<void>

/**
 * Milliseconds between two looks; a channel that nobody needs, nor has asked for since the last look, is left. A message costs
 * Redis and its hearer more than most calls do; to subscribe again costs a call.
 */
const interval = 500

/** `dial` gives a new connection; `deadline` is how long one may be silent when asked, in milliseconds. */
export const make = (dial: () => Promise<Listening>, deadline: number): Effect.Effect<Listen, never, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Scope.Scope
    const subscriptions = new Map<string, Subscription>()
    const oneByOne = Semaphore.makeUnsafe(1)
    /** What is subscribed to, and whether anybody has asked for it since the last look. */
    const heard = new Map<string, boolean>()
    const tried = Latch.makeUnsafe(false)
    let isOpening = false
    let current: Redis | undefined

    const open = Effect.acquireRelease(attempt(dial), ({ client }) =>
      Effect.sync(() => {
        if (current === client) current = undefined
        client.disconnect()
      })
    ).pipe(
      Effect.tap(({ client }) => {
        client.on("message", (channel, message) => subscriptions.get(channel)?.hear(message))
        // From here on who listens to more subscribes by this client as well.
        current = client
        return subscriptions.size === 0 ? Effect.void : attempt(() => client.subscribe(...subscriptions.keys()))
      }),
      Effect.ensuring(Effect.sync(() => tried.openUnsafe()))
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

    // At once: who needs a channel from now on subscribes after this.
    const leaveUnneeded = Effect.suspend(() => {
      const left: Array<string> = []
      for (const [channel, wasAsked] of heard) {
        heard.set(channel, false)
        const subscription = subscriptions.get(channel)!
        if (wasAsked || subscription.isNeeded()) continue
        heard.delete(channel)
        subscriptions.delete(channel)
        subscription.left()
        left.push(channel)
      }
      if (left.length === 0 || current === undefined) return Effect.void
      const unsubscribed = current.unsubscribe(...left)
      return Effect.ignore(attempt(() => unsubscribed))
    })

    const subscribe = Effect.fnUntraced(function* (channel: string, subscription: Subscription) {
      if (heard.has(channel)) return
      subscriptions.set(channel, subscription)
      const isFirst = !isOpening
      if (isFirst) {
        isOpening = true
        yield* Effect.forkIn(supervised, scope)
        yield* Effect.forkIn(Effect.forever(Effect.andThen(Effect.sleep(interval), leaveUnneeded)), scope)
      }
      yield* tried.await
      const client = current
      // Every new client subscribes to all; and one that fails to does not last.
      if (!isFirst && client !== undefined) yield* Effect.ignore(attempt(() => client.subscribe(channel)))
      heard.set(channel, true)
    })

    return (channel, subscription) =>
      Effect.suspend(() => {
        if (!heard.has(channel)) return oneByOne.withPermit(subscribe(channel, subscription))
        heard.set(channel, true)
        return Effect.void
      })
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
