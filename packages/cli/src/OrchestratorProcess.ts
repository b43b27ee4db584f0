/**
 * An orchestrator as a process of its own: sweeps until it is asked to stop, and says what it found.
 */
import { Broker } from "@arpeggio/core/Broker"
import type { Swept } from "@arpeggio/core/Broker"
import * as Defaults from "@arpeggio/core/Defaults"
import * as Orchestrator from "@arpeggio/core/Orchestrator"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Figures from "./Figures.ts"
import * as Journal from "./Journal.ts"
import * as Stop from "./Stop.ts"
import type { Store } from "./Store.ts"

export interface Options {
  readonly store: Store
  readonly json: boolean
}

interface Totals extends Swept {
  readonly sweeps: number
}

export const run = (options: Options): Effect.Effect<void, never, Broker> =>
  Effect.gen(function* () {
    const broker = yield* Broker
    const journal = Journal.make(options)
    const stop = yield* Stop.requests
    const begin = Date.now()
    let totals: Totals = { sweeps: 0, timers: 0, late: 0, workers: 0, removed: 0 }
    const counted = Effect.tap(broker.sweep, (swept) =>
      Effect.sync(() => {
        totals = add(totals, swept)
        // A worker that died is news at once: something was wrong with it.
        if (swept.workers > 0) journal.tell("workersLost", { workers: swept.workers }, lost(swept.workers))
      })
    )
    const interval = Figures.duration(Defaults.sweepInterval)
    journal.tell(
      "started",
      { store: options.store.name, interval: Defaults.sweepInterval },
      `Orchestrator on ${options.store.name}: sweeps about every ${interval}. Ctrl-C or SIGTERM stops it.`
    )
    const work = Effect.gen(function* () {
      yield* Journal.follow(
        "progress",
        Effect.sync(() => news(totals)),
        options
      )
      const sweeping = yield* Effect.forkScoped(
        Effect.provideService(Orchestrator.sweeps(), Broker, { ...broker, sweep: Effect.uninterruptible(counted) })
      )
      const signal = yield* stop.first
      yield* Fiber.interrupt(sweeping)
      return signal
    })
    const hurry = Effect.flatMap(stop.second, () => Effect.sync(() => process.exit(Stop.atOnce)))
    const signal = yield* Effect.raceFirst(Effect.scoped(work), hurry)
    const sentence = `${signal}: stopped after ${Figures.duration(Date.now() - begin)}; ${inWords(totals)}.`
    journal.tell("stopped", { signal, ...totals }, sentence)
  }).pipe(Effect.scoped, Effect.provide(Journal.logger(options)))

const add = (totals: Totals, swept: Swept): Totals => ({
  sweeps: totals.sweeps + 1,
  timers: totals.timers + swept.timers,
  late: Math.max(totals.late, swept.late),
  workers: totals.workers + swept.workers,
  removed: totals.removed + swept.removed
})

const news = (totals: Totals): Journal.News => ({
  fields: { ...totals },
  sentence: inWords(totals),
  key: `${totals.timers} ${totals.workers} ${totals.removed}`
})

const inWords = ({ sweeps, timers, workers, removed }: Totals): string =>
  `${Figures.plural(sweeps, "sweep")}: ${Figures.plural(timers, "timer")} due, ${Figures.plural(workers, "worker")} lost, ${Figures.plural(removed, "ended run")} removed`

const lost = (workers: number): string =>
  `${Figures.plural(workers, "worker")} fell silent for longer than the lease: what ${workers === 1 ? "it" : "they"} held goes to others.`
