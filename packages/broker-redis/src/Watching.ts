/**
 * Tells what happens to a run, or to all of them, to whoever watches. It is told in messages, of which some may be lost;
 * so whoever watches one run also looks now and then whether it has ended.
 */
import type { Event } from "@arpeggio/core/Broker"
import type { BrokerUnavailable, RunDamaged, RunNotFound } from "@arpeggio/core/Failure"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as Hints from "./Hints.ts"
import type { Command } from "./Inspection.ts"
import * as Keys from "./Keys.ts"
import type { Runs } from "./Runs.ts"

/** Between two looks. */
const interval = "3 seconds"

/** For how many milliseconds the functions tell events after somebody has said that he watches: three looks. */
const attention = 10_000

/** Events that a slow reader may be behind. */
const buffer = 16_384

/** `listening` returns once messages about events are heard. */
export const make =
  (runs: Runs, hints: Hints.Hints, command: Command, listening: Effect.Effect<void>) =>
  (id?: string): Stream.Stream<Event, RunNotFound | RunDamaged | BrokerUnavailable> => {
    const isOver = id === undefined ? Effect.succeed(false) : Effect.map(runs.meta(id), isEnded)

    const sayWatched = Effect.flatMap(
      Effect.clockWith((clock) => clock.currentTimeMillis),
      (now) => command("HSET", Keys.flags, Keys.watchedFlag, now + attention)
    )

    const watch = (
      queue: Hints.Watcher["queue"]
    ): Effect.Effect<void, RunNotFound | RunDamaged | BrokerUnavailable, Scope.Scope> =>
      Effect.gen(function* () {
        if (yield* isOver) return yield* Effect.asVoid(Queue.end(queue))
        const watcher: Hints.Watcher = { run: id, queue }
        yield* Effect.acquireRelease(
          Effect.sync(() => hints.watchers.add(watcher)),
          () => Effect.sync(() => hints.watchers.delete(watcher))
        )
        yield* listening
        yield* sayWatched
        yield* Effect.forkScoped(Effect.catchCause(lookAgain(queue), (cause) => Queue.failCause(queue, cause)))
      })

    const lookAgain = (queue: Hints.Watcher["queue"]): Effect.Effect<never, RunNotFound | RunDamaged> => {
      let wasOver = false
      const look = Effect.gen(function* () {
        yield* Effect.sleep(interval)
        yield* sayWatched
        // When it is first seen to have ended, the message that says so may still be on its way.
        if (wasOver) yield* Queue.end(queue)
        wasOver = yield* isOver
      })
      // While the store is away nothing happens in it either.
      return Effect.forever(Effect.catchTag(look, "BrokerUnavailable", () => Effect.void))
    }

    return Stream.callback(watch, { bufferSize: buffer, strategy: "sliding" })
  }

const isEnded = ({ state }: { readonly state: string }): boolean => state !== "running"
