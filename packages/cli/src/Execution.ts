/**
 * A step run in this process: a broker in memory, a worker with the module's handlers, the live view, and in the end the
 * result on standard output and how it went on standard error.
 */
import type { Failed } from "@arpeggio/core/Broker"
import { Broker } from "@arpeggio/core/Broker"
import * as Client from "@arpeggio/core/Client"
import { StepFailure } from "@arpeggio/core/Failure"
import * as Handler from "@arpeggio/core/Handler"
import * as MemoryBroker from "@arpeggio/core/MemoryBroker"
import * as Plan from "@arpeggio/core/Plan"
import type * as Run from "@arpeggio/core/Run"
import * as Worker from "@arpeggio/core/Worker"
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import type * as Scope from "effect/Scope"
import { RunFailed, WrongUse } from "./ExitCode.ts"
import * as Json from "./Json.ts"
import * as LiveView from "./LiveView.ts"
import type { AnyStep } from "./Module.ts"
import * as Outcome from "./Outcome.ts"

export interface Request {
  readonly step: AnyStep
  /** The layer of handlers for its tasks. */
  readonly handlers: Layer.Layer<never, unknown>
  /** Where they are from, for messages: the path of a module. */
  readonly source: string
  /** The input as JSON. */
  readonly input: unknown
  /** Whether somebody gave it. */
  readonly hasInput: boolean
  readonly id: string | undefined
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
export const runAndReport = (request: Request): Effect.Effect<void, WrongUse | RunFailed> =>
  Effect.gen(function* () {
    const compiled = yield* Effect.fromResult(compile(request.step))
    const input = yield* decodeInput(request)
    const handlers = yield* buildHandlers(request)
    yield* Effect.fromResult(checkHandlers(request, compiled, handlers))
    const processes = Worker.fromContext(handlers, {
      concurrency: request.concurrency,
      queues: queuesOf(compiled.plan),
      sweepInterval: "100 millis"
    }).pipe(Layer.provideMerge(MemoryBroker.layer()))
    const run = Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(execute(request, compiled, input, restore), (ending) => report(request, ending))
    )
    yield* Effect.provide(run, processes)
  }).pipe(Effect.scoped, Effect.provideService(Logger.LogToStderr, true))

/** Submits and waits; `restore` makes waiting interruptible. An interrupted run is cancelled and still awaited. */
const execute = (
  request: Request,
  compiled: Plan.Compiled,
  input: unknown,
  restore: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
): Effect.Effect<Outcome.Ending, WrongUse, Broker | Worker.Worker> =>
  Effect.gen(function* () {
    const broker = yield* Broker
    const worker = yield* Worker.Worker
    const cpuBefore = process.cpuUsage()
    const begin = performance.now()
    const run = yield* submit(request, input)
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
    return {
      plan: compiled.plan,
      view,
      wall: performance.now() - begin,
      cpu: (user + system) / 1_000,
      worker: yield* worker.stats,
      result: yield* resultOf(run.id)
    }
  })

const report = (request: Request, ending: Outcome.Ending): Effect.Effect<void, RunFailed> =>
  Effect.suspend(() => {
    const { result, view } = ending
    const { json, quiet } = request
    if (json) process.stdout.write(Outcome.toJson(ending))
    else {
      if (!quiet) process.stderr.write(Outcome.toText(ending, request.color))
      else if (result._tag === "Failed") process.stderr.write(`${result.message}\n`)
      if (result._tag === "Succeeded") process.stdout.write(`${JSON.stringify(result.value, undefined, 2)}\n`)
    }
    return result._tag === "Succeeded" ? Effect.void : Effect.fail(new RunFailed({ run: view.id }))
  })

const compile = (step: AnyStep): Result.Result<Plan.Compiled, WrongUse> =>
  Result.mapError(Plan.compile(step), (invalid) => new WrongUse({ reason: "InvalidPlan", message: invalid.message }))

const decodeInput = ({ step, input, hasInput }: Request): Effect.Effect<unknown, WrongUse> =>
  Effect.mapError(
    Schema.decodeUnknownEffect(Schema.toCodecJson(step.input as Schema.Codec<unknown>), { errors: "all" })(input),
    (error) =>
      new WrongUse({
        reason: "InputDoesNotFit",
        message: `The input does not fit ${step.key}${hasInput ? "" : " (no --input was given, so it is {})"}:\n${issues(error.issue)}\nGive it with --input '{…}', --input @file or --input -.`
      })
  )

/** One line per issue: where, and what. */
const issues = (issue: SchemaIssue.Issue): string =>
  SchemaIssue.makeFormatterStandardSchemaV1()(issue)
    .issues.map(({ path, message }) => {
      const where = Json.formatPath(path?.map((key) => (typeof key === "object" ? key.key : key)) ?? [])
      return `  ${where === "" ? "the input" : where}: ${message}`
    })
    .join("\n")

const buildHandlers = ({ handlers, source }: Request): Effect.Effect<Context.Context<never>, WrongUse, Scope.Scope> =>
  Effect.catchCause(Layer.build(handlers), (cause) =>
    Cause.hasInterruptsOnly(cause)
      ? Effect.interrupt
      : Effect.fail(
          new WrongUse({
            reason: "NotAWorkerModule",
            message: `The layer of handlers that ${source} exports can't be built: ${reasonOf(cause)}. A service that is not found must be provided there: export default handlers.pipe(Layer.provide(…)).`
          })
        )
  )

const reasonOf = (cause: Cause.Cause<unknown>): string => {
  const error = Cause.squash(cause)
  return (error instanceof Error ? error.message : String(error)).split("\n")[0]!.replace(/\.$/, "")
}

/** In one process there is nobody else to run a task without handler: the run would wait for ever. */
const checkHandlers = (
  { source }: Request,
  { plan, tasks }: Plan.Compiled,
  handlers: Context.Context<never>
): Result.Result<void, WrongUse> => {
  const there = new Set(Handler.all(handlers).map((handler) => handler.task.key))
  const missing = Array.from(tasks.keys()).filter((key) => !there.has(key))
  if (missing.length === 0) return Result.succeed(undefined)
  return Result.fail(
    new WrongUse({
      reason: "NotAWorkerModule",
      message: `Flow ${plan.flow} calls ${missing.map((key) => `"${key}"`).join(", ")}, and the default export of ${source} has no handler for ${missing.length === 1 ? "it" : "them"}. Add ${missing.length === 1 ? "its" : "each one's"} task.toLayer(…) to it.`
    })
  )
}

const queuesOf = (plan: Plan.Plan): ReadonlyArray<string> =>
  Array.from(
    new Set(["default", ...plan.nodes.flatMap((node) => ("policy" in node ? (node.policy?.queue ?? []) : []))])
  )

const submit = ({ step, id }: Request, input: unknown): Effect.Effect<Run.Run<unknown, unknown>, WrongUse, Broker> =>
  Effect.mapError(Client.submit(step, input as never, { id }), (error) => {
    switch (error._tag) {
      case "InvalidPlan":
        return new WrongUse({ reason: "InvalidPlan", message: error.message })
      case "DuplicateRun":
        return new WrongUse({ reason: "DuplicateRun", message: error.message })
      case "InvalidInput":
      case "PayloadTooLarge":
        return new WrongUse({ reason: "InputDoesNotFit", message: error.message })
      case "BrokerUnavailable":
        return new WrongUse({ reason: "BrokerUnavailable", message: error.message })
    }
  })

/** The outcome as recorded, with its failure in words. */
const resultOf = (run: string): Effect.Effect<Outcome.Result, never, Broker> =>
  Effect.map(Effect.orDie(Client.outcome(run)), (outcome) => {
    if (outcome._tag !== "Failed") return outcome
    const { node, attempt, failed } = outcome
    const error: unknown = JSON.parse(failed.error)
    return {
      _tag: "Failed",
      node,
      attempt,
      error,
      message: `Failed at ${node}, attempt ${attempt}: ${inWords(failed, error)}`
    }
  })

/** A failure of the engine has a sentence; a declared error is shown as it is. */
const inWords = (failed: Failed, error: unknown): string => {
  const known = failed.declared ? Option.none() : Schema.decodeUnknownOption(StepFailure)(error)
  if (Option.isNone(known))
    return `${failed.tag === "" ? "" : `${failed.tag} `}${JSON.stringify(error, withoutTag(failed.tag))}`
  if (known.value._tag !== "Defect") return known.value.message
  const isOpen = known.value.summary.includes("Service not found")
  const hint =
    "The layer of handlers is not closed: provide the service there, export default handlers.pipe(Layer.provide(…))."
  return [known.value.message, known.value.cause, ...(isOpen ? [hint] : [])].join("\n")
}

/** The tag stands before the error already. */
const withoutTag = (tag: string) => (key: string, value: unknown) =>
  key === "_tag" && value === tag ? undefined : value
