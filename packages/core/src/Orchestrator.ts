/**
 * An orchestrator does what needs a clock: retries and delays that are due, workers that fell silent, work that was
 * deferred, ended runs past their retention. Its unit of work is a sweep; any number of orchestrators may sweep at once,
 * and none is needed where workers sweep too, which they do unless told not to.
 *
 * What sweeps do is counted in metrics: `arpeggio_sweeps` by outcome, `arpeggio_sweep_duration`, `arpeggio_sweep_timers`,
 * `arpeggio_sweep_lateness`, `arpeggio_sweep_workers_dismissed`, `arpeggio_sweep_runs_removed`. Lateness that grows says
 * that nobody sweeps often enough; workers dismissed while none was killed say that leases run out under load. What the
 * store had lost sight of and was put back is counted in `arpeggio_reconciled`: anything but 0 says that the store has lost
 * a part of its history, or that somebody else has changed it.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Random from "effect/Random"
import type { Swept } from "./Broker.ts"
import { Broker } from "./Broker.ts"
import * as Defaults from "./Defaults.ts"
import { Alarm } from "./worker/Alarm.ts"

export interface Options {
  /** How often it looks whether something is due, with a quarter of jitter to both sides. Default: 1 second. */
  readonly interval?: Duration.Input | undefined
}

/**
 * Sweeps for ever: when something is due that it has seen at the last interval, and when an alarm rings that others set.
 * Asks now and then whether the store has lost sight of something. A sweep is bounded, so one that found something
 * goes again at once; one that fails is logged and tried again at the next interval.
 */
export const sweeps = (options: Options = {}, given?: Alarm): Effect.Effect<never, never, Broker> => {
  const interval = Duration.toMillis(options.interval ?? Defaults.sweepInterval)
  const shortest = interval / 20
  /** Returns in how many milliseconds there may be more, and whether there was anything now. */
  const round = Effect.gen(function* () {
    const broker = yield* Broker
    const due = yield* broker.nextSweep
    if (due > 0) return { due, isIdle: true }
    let found = true
    while (found) {
      const swept = yield* measured(broker.sweep)
      found = swept.timers + swept.workers + swept.removed > 0
      yield* Effect.yieldNow
    }
    const next = yield* broker.nextSweep
    return { due: next > 0 ? next : Infinity, isIdle: false }
  })
  const sweeping = Effect.gen(function* () {
    const alarm = given ?? new Alarm(yield* Clock.Clock)
    let pause = 0
    while (true) {
      const most = yield* Random.nextBetween(interval * 0.75, interval * 1.25)
      const hasRung = yield* alarm.wait(pause, most)
      const { due, isIdle } = yield* Effect.catchCause(round, (cause) =>
        Effect.as(logFailure(cause), { due: Infinity, isIdle: true })
      )
      // It rings twenty times per interval at most; less often where others are quicker, as one of them is enough.
      pause = !hasRung ? 0 : isIdle ? Math.min(interval, Math.max(shortest, 2 * pause)) : shortest
      alarm.set(due)
    }
  })
  const reconciling = Effect.gen(function* () {
    const broker = yield* Broker
    const restored = yield* broker.reconcile
    if (restored === 0) return
    yield* Metric.update(reconciled, restored)
    const what = restored === 1 ? "node or run" : "nodes or runs"
    yield* Effect.logWarning(`What the store had lost sight of goes on: ${restored} ${what}.`)
  })
  return Effect.raceFirst(sweeping, repeat(reconciling, Defaults.reconcileInterval))
}

/** For ever, with a quarter of jitter to both sides. */
const repeat = <E, R>(round: Effect.Effect<void, E, R>, interval: number): Effect.Effect<never, never, R> =>
  Random.nextBetween(interval * 0.75, interval * 1.25).pipe(
    Effect.flatMap(Effect.sleep),
    Effect.andThen(Effect.catchCause(round, logFailure)),
    Effect.forever
  )

const sweepsBy = Metric.counter("arpeggio_sweeps", { description: "Sweeps, by outcome.", incremental: true })
const done = Metric.withAttributes(sweepsBy, { outcome: "done" })
const failed = Metric.withAttributes(sweepsBy, { outcome: "failed" })
const duration = Metric.timer("arpeggio_sweep_duration", { description: "How long a sweep took." })
const timersFired = Metric.counter("arpeggio_sweep_timers", {
  description: "Timers that sweeps found due: retries, delays, expiries.",
  incremental: true
})
const lateness = Metric.timer("arpeggio_sweep_lateness", {
  description: "How late the oldest timer was that a sweep found due."
})
const workersDismissed = Metric.counter("arpeggio_sweep_workers_dismissed", {
  description: "Workers whose lease had run out; what they held went to others.",
  incremental: true
})
const runsRemoved = Metric.counter("arpeggio_sweep_runs_removed", {
  description: "Ended runs that retention removed.",
  incremental: true
})

const reconciled = Metric.counter("arpeggio_reconciled", {
  description: "Nodes and runs that the store had lost sight of and that were put back.",
  incremental: true
})

/** Counts what a sweep does; one that is interrupted counts as neither done nor failed. */
const measured = <E>(sweep: Effect.Effect<Swept, E>): Effect.Effect<Swept, E> =>
  Effect.timed(sweep).pipe(
    Effect.tapCause((cause) => (Cause.hasInterruptsOnly(cause) ? Effect.void : Metric.update(failed, 1))),
    Effect.flatMap(([took, swept]) =>
      Effect.contextWith((context: Context.Context<never>) => {
        done.updateUnsafe(1, context)
        duration.updateUnsafe(took, context)
        timersFired.updateUnsafe(swept.timers, context)
        if (swept.timers > 0) lateness.updateUnsafe(Duration.millis(swept.late), context)
        workersDismissed.updateUnsafe(swept.workers, context)
        runsRemoved.updateUnsafe(swept.removed, context)
        return Effect.succeed(swept)
      })
    )
  )

const logFailure = (cause: Cause.Cause<unknown>) =>
  Cause.hasDies(cause)
    ? Effect.logError("The broker refuses to sweep; it is tried again.", cause)
    : Effect.logWarning("A sweep failed and is tried again.", cause)

/**
 * An orchestrator that runs while the layer does.
 *
 * @example
 * ```ts
 * import * as MemoryBroker from "@arpeggio/core/MemoryBroker"
 * import * as Orchestrator from "@arpeggio/core/Orchestrator"
 * import * as Layer from "effect/Layer"
 *
 * export const app = Orchestrator.layer({ interval: "250 millis" }).pipe(Layer.provideMerge(MemoryBroker.layer()))
 * ```
 */
export const layer = (options: Options = {}): Layer.Layer<never, never, Broker> =>
  Layer.effectDiscard(Effect.forkScoped(sweeps(options)))
