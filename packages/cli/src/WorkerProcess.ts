/**
 * A worker as a process of its own: runs the handlers of a module until it is asked to stop, and says how it goes.
 *
 * Asked once, it claims nothing more and waits for the handlers that run; what they don't finish in time is given back.
 * Asked twice, it gives everything back at once. Either way nothing waits for its lease to run out.
 */
import { Broker } from "@arpeggio/core/Broker"
import * as Defaults from "@arpeggio/core/Defaults"
import * as Handler from "@arpeggio/core/Handler"
import * as Worker from "@arpeggio/core/Worker"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { WrongUse } from "./ExitCode.ts"
import * as Figures from "./Figures.ts"
import * as Handlers from "./Handlers.ts"
import * as Journal from "./Journal.ts"
import * as Stop from "./Stop.ts"
import type { Store } from "./Store.ts"

export interface Options {
  /** The layer of handlers, and the path of the module it is from. */
  readonly handlers: Layer.Layer<never, unknown>
  readonly source: string
  readonly store: Store
  /** Without them: the default queue, and those its tasks name. */
  readonly queues: ReadonlyArray<string> | undefined
  readonly concurrency: number
  readonly sweep: boolean
  readonly json: boolean
}

/** Milliseconds that a worker in a hurry gets to give back what it holds. */
const lastCall = 1_000

/** Deliveries that are named when it waits for them. */
const most = 5

export const run = (options: Options): Effect.Effect<void, WrongUse, Broker> =>
  Effect.gen(function* () {
    const broker = yield* Broker
    const handlers = yield* Handlers.build(options.handlers, options.source)
    const executors = Handler.all(handlers)
    if (executors.length === 0) return yield* noHandlers(options.source)
    const queues = options.queues ?? queuesOf(executors)
    const journal = Journal.make(options)

    const stop = yield* Stop.requests
    const scope = yield* Scope.make()
    const layer = Worker.fromContext(handlers, { queues, concurrency: options.concurrency, sweep: options.sweep })
    const worker = Context.get(yield* Layer.buildWithScope(layer, scope), Worker.Worker)
    introduce(journal, worker, options)

    const work = Effect.gen(function* () {
      yield* Journal.follow("progress", Effect.map(worker.stats, news()), options)
      const signal = yield* stop.first
      const holding = yield* worker.holding
      journal.tell("stopping", { signal, holding }, farewell(signal, holding))
      const drained = yield* Effect.forkScoped(Scope.close(scope, Exit.void))
      const hurry = Effect.flatMap(stop.second, (again) => giveBackAndEnd(broker, worker, journal, again))
      yield* Effect.raceFirst(Fiber.await(drained), hurry)
    })
    yield* Effect.scoped(work)
    const stats = yield* worker.stats
    journal.tell("stopped", { ...stats }, `Stopped after ${Figures.duration(stats.elapsed)}: ${inWords(stats)}.`)
  }).pipe(Effect.scoped, Effect.provide(Journal.logger(options)))

const noHandlers = (source: string): WrongUse =>
  new WrongUse({
    reason: "NotAWorkerModule",
    message: `The default export of ${source} is a layer without handlers, so a worker could run nothing. Export the layer of them: export default Layer.mergeAll(taskA.toLayer(...), taskB.toLayer(...)).`
  })

const queuesOf = (executors: ReadonlyArray<Handler.Executor>): ReadonlyArray<string> =>
  Array.from(new Set([Defaults.policy.queue, ...executors.flatMap(({ task }) => task.policy.queue ?? [])]))

const introduce = (journal: Journal.Journal, { info }: Worker.Worker["Service"], options: Options): void => {
  const { store, sweep, json } = options
  if (json) return journal.tell("started", { worker: info, store: store.name, sweeps: sweep }, "")
  journal.show([
    `Worker ${info.id} on ${info.host}`,
    `  store        ${store.name}`,
    `  tasks        ${info.tasks.join(", ")}`,
    `  queues       ${info.queues.join(", ")}`,
    `  concurrency  ${Figures.plural(info.concurrency, "handler")} at once`,
    `  sweeps       ${sweep ? "yes: no orchestrator is needed" : "no: an orchestrator, or another worker, must"}`,
    `Ready. Ctrl-C or SIGTERM stops it: what runs then gets ${Figures.duration(Defaults.shutdownTimeout)} to end.`
  ])
}

/** What a worker says of itself, with the rates since it was asked last. */
const news = () => {
  let before = { at: 0, ended: 0, busy: 0 }
  return (stats: Worker.Stats): Journal.News => {
    const ended = stats.succeeded + stats.failed + stats.interrupted
    const elapsed = Math.max(1, stats.elapsed - before.at)
    const perSecond = ((ended - before.ended) * 1_000) / elapsed
    const busy = Math.min(1, (stats.busy - before.busy) / (elapsed * stats.concurrency))
    before = { at: stats.elapsed, ended, busy: stats.busy }
    return {
      fields: { ...stats, perSecond: Math.round(perSecond), utilization: Number(busy.toFixed(3)) },
      sentence: `${inWords(stats)}; ${Figures.count(perSecond)}/s, ${Figures.percent(busy, 1)} busy`,
      key: `${stats.claimed} ${ended} ${stats.running} ${stats.released} ${stats.lost} ${stats.stale}`
    }
  }
}

const inWords = (stats: Worker.Stats): string =>
  [
    `${Figures.count(stats.claimed)} claimed`,
    `${Figures.count(stats.succeeded)} ok`,
    `${Figures.count(stats.failed)} failed`,
    ...(stats.interrupted === 0 ? [] : [`${Figures.count(stats.interrupted)} cancelled`]),
    ...(stats.released === 0 ? [] : [`${Figures.count(stats.released)} given back`]),
    ...(stats.lost === 0 ? [] : [`${Figures.count(stats.lost)} lost`]),
    ...(stats.stale === 0 ? [] : [`${Figures.count(stats.stale)} too late`]),
    ...(stats.running === 0 ? [] : [`${Figures.count(stats.running)} of ${stats.concurrency} running`])
  ].join(", ")

const farewell = (signal: Stop.Signal, holding: ReadonlyArray<Worker.Holding>): string => {
  if (holding.length === 0) return `${signal}: nothing runs; it stops.`
  const now = Date.now()
  const named = holding
    .slice(0, most)
    .map(({ node, run, since }) => `${node} of ${run} (${Figures.duration(Math.max(0, now - since))})`)
  const more = holding.length > most ? [`${holding.length - most} more`] : []
  return `${signal}: claims nothing more and waits for ${[...named, ...more].join(", ")}, ${Figures.duration(Defaults.shutdownTimeout)} at most. Once more gives everything back at once.`
}

const giveBackAndEnd = (
  broker: Broker["Service"],
  { info, stats }: Worker.Worker["Service"],
  journal: Journal.Journal,
  signal: Stop.Signal
): Effect.Effect<never> =>
  Effect.gen(function* () {
    const { running } = yield* stats
    // A store that is away finds out by the lease.
    yield* Effect.timeoutOption(Effect.ignore(broker.unregister(info.id)), lastCall)
    const sentence = `${signal} once more: gave back ${Figures.plural(running, "delivery", "deliveries")}; ends at once.`
    journal.tell("ended", { signal, running }, sentence)
    return process.exit(Stop.atOnce)
  })
