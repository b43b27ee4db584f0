/**
 * What a story about the broker plays in: connections to stores, rigs to move them with, servers. All that it opened closes
 * when it is over.
 */
import { Broker } from "@arpeggio/core/Broker"
import type { BrokerUnavailable, IncompatibleStore } from "@arpeggio/core/Failure"
import * as Rig from "@arpeggio/core/testing/suite/Rig"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as RedisBroker from "../src/RedisBroker.ts"
import { eventually } from "./eventually.ts"
import type * as RedisServer from "./RedisServer.ts"

export const play = (story: Effect.Effect<void, unknown, Scope.Scope>): Promise<void> =>
  Effect.runPromise(Effect.scoped(story))

/** A broker over connections of its own. */
export const broker = (
  options: RedisBroker.Options
): Effect.Effect<Broker["Service"], BrokerUnavailable | IncompatibleStore, Scope.Scope> =>
  Effect.map(Layer.build(RedisBroker.layer(options)), Context.get(Broker))

/** The same with a rig that moves it, in real time. */
export const rig = (
  options: RedisBroker.Options
): Effect.Effect<Rig.Rig, BrokerUnavailable | IncompatibleStore, Scope.Scope> =>
  Effect.map(broker(options), (broker) => Rig.make(broker, { unit: 50, passTime: Effect.sleep }))

/** Why there is no broker. */
export const refusal = (
  options: RedisBroker.Options
): Effect.Effect<{ readonly _tag: string; readonly reason: string }, unknown, Scope.Scope> =>
  Effect.map(Effect.flip(broker(options)), ({ _tag, reason }) => ({ _tag, reason }))

/** A server, or several. */
export const started = <A extends Pick<RedisServer.RedisServer, "stop">>(
  start: () => Promise<A>
): Effect.Effect<A, never, Scope.Scope> =>
  Effect.acquireRelease(Effect.promise(start), ({ stop }) => Effect.promise(stop))

/** Tries again until the store is back; the test's own time-out bounds it. */
export const persist = <A, E extends { readonly _tag: string }, R>(
  call: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> => Effect.retry(call, { while: (error) => error._tag === "BrokerUnavailable" })

/** Completes once it holds. */
export const until = (what: string, holds: () => Promise<boolean>): Effect.Effect<void> =>
  Effect.promise(() => eventually(what, holds))

/** What a server was asked meanwhile, in order of the alphabet; what functions call included. */
export const asked = <A, E, R>(server: RedisServer.OwnServer, call: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    yield* Effect.promise(() => server.command("CONFIG", "RESETSTAT"))
    const result = yield* call
    const stats = String(yield* Effect.promise(() => server.command("INFO", "commandstats")))
    const commands = Array.from(stats.matchAll(/cmdstat_([^:]+):calls=(\d+)/g), ([, name, calls]) => `${name} ${calls}`)
    return {
      result,
      commands: commands.filter((command) => !/^(client|config|hello|info|ping)/.test(command)).toSorted()
    }
  })
