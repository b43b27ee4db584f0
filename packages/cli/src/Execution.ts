/**
 * A step run in this process: a broker in memory, a worker with the module's handlers, the live view, and in the end the
 * result on standard output and how it went on standard error.
 */
import { Broker } from "@arpeggio/core/Broker"
import * as MemoryBroker from "@arpeggio/core/MemoryBroker"
import * as Worker from "@arpeggio/core/Worker"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import type * as Scope from "effect/Scope"
import type { RunFailed, StoreUnavailable, WrongUse } from "./ExitCode.ts"
import * as Handlers from "./Handlers.ts"
import * as LiveView from "./LiveView.ts"
import * as Outcome from "./Outcome.ts"
import * as Submission from "./Submission.ts"

export interface Request extends Submission.Submission {
  /** The layer of handlers for its tasks. */
  readonly handlers: Layer.Layer<never, unknown>
  /** Where they are from, for messages: the path of a module. */
  readonly source: string
  readonly concurrency: number
  /** Nothing but the result, and errors. */
  readonly quiet: boolean
  /** One JSON document with the result and how it went, instead of the result alone. */
  readonly json: boolean
  readonly color: boolean
}

/** Standard output is for the result alone, so what handlers print goes to standard error. */
export const printToStderr: Effect.Effect<void, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => {
    const { log, info, debug } = console
    console.log = console.info = console.debug = console.error
    return { log, info, debug }
  }),
  (original) => Effect.sync(() => Object.assign(console, original))
).pipe(Effect.asVoid)

/**
 * Runs the step and says how it ended. Interrupted, it cancels the run, waits for its finalizers and says so, too.
 */
export const runAndReport = (request: Request): Effect.Effect<void, WrongUse | RunFailed | StoreUnavailable> =>
  Effect.gen(function* () {
    const checked = yield* Submission.check(request)
    const handlers = yield* Handlers.build(request.handlers, request.source)
    yield* Effect.fromResult(Handlers.check(checked.compiled, handlers, request.source))
    const processes = Worker.fromContext(handlers, {
      concurrency: request.concurrency,
      queues: Handlers.queuesOf(checked.compiled.plan),
      sweepInterval: "100 millis"
    }).pipe(Layer.provideMerge(MemoryBroker.layer()))
    const run = Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(execute(request, checked, restore), (ending) => Outcome.report(ending, request))
    )
    yield* Effect.provide(run, processes)
  }).pipe(Effect.scoped, Effect.provideService(Logger.LogToStderr, true))

/** Submits and waits; `restore` makes waiting interruptible. An interrupted run is cancelled and still awaited. */
const execute = (
  request: Request,
  checked: Submission.Checked,
  restore: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
): Effect.Effect<Outcome.Ending, WrongUse | StoreUnavailable, Broker | Worker.Worker> =>
  Effect.gen(function* () {
    const broker = yield* Broker
    const worker = yield* Worker.Worker
    const cpuBefore = process.cpuUsage()
    const begin = performance.now()
    const run = yield* Submission.submit(checked)
    const ended = Effect.orDie(broker.await(run.id))
    const follow = Effect.gen(function* () {
      if (!request.quiet && !request.json) yield* Effect.orDie(LiveView.follow(run.id, { color: request.color }))
      const exit = yield* Effect.exit(restore(ended))
      if (Exit.isSuccess(exit)) return
      if (!request.json) process.stderr.write("Cancelling the run. Ctrl-C once more ends at once.\n")
      yield* Effect.orDie(broker.cancel(run.id))
      yield* ended
    })
    yield* Effect.scoped(follow)
    const { user, system } = process.cpuUsage(cpuBefore)
    const view = yield* Effect.orDie(broker.run(run.id))
    const wall = performance.now() - begin
    const { plan } = checked.compiled
    return {
      plan,
      view,
      wall,
      worker: { cpu: (user + system) / 1_000, worker: yield* worker.stats },
      result: yield* Effect.orDie(Outcome.read(run.id))
    }
  })
