/**
 * Submits flows, and looks at what became of them. Functions, all of which need a `Broker`; a program without Effect
 * makes a runtime of the broker's layer once and runs them with it.
 *
 * @example
 * ```ts
 * import * as Client from "@arpeggio/core/Client"
 * import * as MemoryBroker from "@arpeggio/core/MemoryBroker"
 * import * as Task from "@arpeggio/core/Task"
 * import * as Worker from "@arpeggio/core/Worker"
 * import * as Layer from "effect/Layer"
 * import * as ManagedRuntime from "effect/ManagedRuntime"
 * import * as Schema from "effect/Schema"
 *
 * const double = Task.make("double", { input: Schema.Int, output: Schema.Int })
 * const handlers = double.toLayer(async (n) => n * 2)
 *
 * const runtime = ManagedRuntime.make(
 *   Worker.layer({ tasks: [double] }).pipe(Layer.provide(handlers), Layer.provideMerge(MemoryBroker.layer()))
 * )
 * const run = await runtime.runPromise(Client.submit(double, 21))
 * console.log(await runtime.runPromise(run.await))
 * await runtime.dispose()
 * ```
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Broker } from "./Broker.ts"
import * as Name from "./definition/Name.ts"
import type {
  Address,
  DeadLetter,
  Event,
  NodeView,
  Payload,
  QueueView,
  RunState,
  RunSummary,
  RunView,
  WorkerView
} from "./Broker.ts"
import { BrokerUnavailable, InvalidInput, InvalidPlan, InvalidRunId } from "./Failure.ts"
import type {
  DuplicateRun,
  NodeNotFound,
  PayloadTooLarge,
  RunDamaged,
  RunError,
  RunNotEnded,
  RunNotFound
} from "./Failure.ts"
import * as Plan from "./Plan.ts"
import type { Compiled, Json } from "./Plan.ts"
import { fill } from "./plan/Values.ts"
import * as Wire from "./plan/Wire.ts"
import * as Run from "./Run.ts"
import * as RunId from "./RunId.ts"
import type { Shape } from "./Step.ts"

/** How a flow is submitted; every field has a default. */
export interface SubmitOptions {
  /**
   * The run's id. Submitting the same flow and input under the same id joins the run that is there; so with an id of its own
   * a submission that failed with `BrokerUnavailable`, and may have been accepted all the same, can be made again. 1 to 200
   * characters, none of them a control character. Default: a new ULID.
   */
  readonly id?: string | undefined
  /**
   * What happens to the rest of the run once it is known to fail: `cancel` what has not ended, or let it `finish`.
   * Default: `cancel`.
   */
  readonly onFailure?: "cancel" | "finish" | undefined
  /** The run starts this long after its submission, in whole milliseconds. Default, and for what is past: at once. */
  readonly delay?: Duration.Input | undefined
}

/** Why a flow was not accepted. */
export type SubmitError = InvalidPlan | InvalidInput | InvalidRunId | DuplicateRun | PayloadTooLarge | BrokerUnavailable

/**
 * Hands a flow to the broker. Once it returns the run is accepted and will end, whatever becomes of this program.
 *
 * A task or a canvas can be submitted as well: it is a flow of one step.
 */
export const submit = <I extends Schema.Constraint, S extends Schema.Constraint, E>(
  flow: Shape<I, S, E>,
  input: I["Type"],
  options: SubmitOptions = {}
): Effect.Effect<Run.Run<S["Type"], E>, SubmitError, Broker> =>
  Effect.gen(function* () {
    const broker = yield* Broker
    const compiled = yield* Effect.fromResult(Plan.compile(flow))
    const { elements, text } = yield* encode(compiled, input)
    const id = options.id ?? (yield* RunId.make)
    const issue = options.id === undefined ? undefined : Name.issueOf(id)
    if (issue !== undefined) return yield* new InvalidRunId({ id, issue })
    const delay = Math.max(0, Math.round(Duration.toMillis(options.delay ?? 0)))
    if (!Number.isSafeInteger(delay)) return yield* new InvalidPlan({ flow: compiled.plan.flow, problems: [endless] })
    yield* broker.submit({
      id,
      planHash: compiled.hash,
      plan: compiled.plan,
      input: text,
      elements,
      onFailure: options.onFailure ?? "cancel",
      delay
    })
    return Run.make<S["Type"], E>(broker, compiled, id, Effect.succeed(compiled.plan))
  })

const endless = {
  step: "submit",
  site: undefined,
  message: '`delay` is endless, so the run would never start; give a length of time, like "30 seconds".'
}

/**
 * Submits a flow and awaits its outcome. Interrupting it cancels the run. A store that is away fails the submission, and
 * does not end the wait.
 */
export const execute = <I extends Schema.Constraint, S extends Schema.Constraint, E>(
  flow: Shape<I, S, E>,
  input: I["Type"],
  options: SubmitOptions = {}
): Effect.Effect<S["Type"], E | SubmitError | RunError | RunNotFound | RunDamaged, Broker> =>
  Effect.flatMap(options.id === undefined ? RunId.make : Effect.succeed(options.id), (id) =>
    submit(flow, input, { ...options, id }).pipe(
      Effect.flatMap((run) => run.await),
      // Also while it is being submitted: the submission may have been accepted.
      Effect.onInterrupt(() => Effect.ignore(cancel(id)))
    )
  )

/** The handle of a run that was submitted before, here or elsewhere. Whether it exists is found out by using it. */
export const attach = <I extends Schema.Constraint, S extends Schema.Constraint, E>(
  flow: Shape<I, S, E>,
  id: string
): Effect.Effect<Run.Run<S["Type"], E>, InvalidPlan, Broker> =>
  Effect.gen(function* () {
    const broker = yield* Broker
    const compiled = yield* Effect.fromResult(Plan.compile(flow))
    return Run.make<S["Type"], E>(broker, compiled, id, Run.planOf(broker, id))
  })

/** Awaits a run and gives its outcome as recorded, without the types of its flow. While the store is away, it waits. */
export const outcome = (id: string): Effect.Effect<Run.Outcome, RunNotFound | RunDamaged, Broker> =>
  Broker.use((broker) => Run.outcome(broker, id))

/** Once it returns, nothing of the run starts any more but clean-up. False when the run had ended. */
export const cancel = (id: string): Effect.Effect<boolean, RunNotFound | RunDamaged | BrokerUnavailable, Broker> =>
  Broker.use((broker) => broker.cancel(id))

/**
 * Opens the next generation of a run that has ended: what failed and was not handled starts again, with all that depends
 * on it. With `from`, that node, by its readable id (`each[3].resize`) or its address.
 */
export const retry = (
  id: string,
  options: { readonly from?: string | undefined } = {}
): Effect.Effect<
  { readonly generation: number },
  RunNotFound | RunDamaged | RunNotEnded | NodeNotFound | BrokerUnavailable,
  Broker
> => Broker.use((broker) => Run.retry(broker, id, options.from))

/** A run as it is now: its state, and how many of its nodes are where. */
export const run = (id: string): Effect.Effect<RunView, RunNotFound | RunDamaged | BrokerUnavailable, Broker> =>
  Broker.use((broker) => broker.run(id))

/** The plan a run was submitted with: what a drawing of the run needs, and the readable ids of its nodes. */
export const plan = (id: string): Effect.Effect<Plan.Plan, RunNotFound | RunDamaged | BrokerUnavailable, Broker> =>
  Effect.gen(function* () {
    const broker = yield* Broker
    const { planHash } = yield* broker.run(id)
    const plan = yield* broker.plan(planHash)
    return plan ?? (yield* new BrokerUnavailable({ reason: `it has run ${id} and not its plan ${planHash}` }))
  })

/** Runs, newest first: of one state, or of all. `limit` is 100 by default. */
export const runs = (
  options: { readonly state?: RunState | undefined; readonly limit?: number | undefined } = {}
): Effect.Effect<ReadonlyArray<RunSummary>, BrokerUnavailable, Broker> =>
  Broker.use((broker) => broker.runs({ state: options.state, limit: options.limit ?? 100 }))

/** Instances of nodes of a run in the order of their addresses, from the first after `after`. `limit` is 100 by default. */
export const nodes = (
  id: string,
  options: { readonly after?: Address | undefined; readonly limit?: number | undefined } = {}
): Effect.Effect<ReadonlyArray<NodeView>, RunNotFound | RunDamaged | BrokerUnavailable, Broker> =>
  Broker.use((broker) => broker.nodes(id, { after: options.after, limit: options.limit ?? 100 }))

/** Every queue, with what is ready in it and what nobody known can run. */
export const queues: Effect.Effect<ReadonlyArray<QueueView>, BrokerUnavailable, Broker> = Broker.use(
  (broker) => broker.queues
)

/** Workers whose lease has not run out. */
export const workers: Effect.Effect<ReadonlyArray<WorkerView>, BrokerUnavailable, Broker> = Broker.use(
  (broker) => broker.workers
)

/**
 * Nodes that were given up because too many workers died over them (`PoisonPill`), newest first, until `retry` starts them
 * again or their run is removed. `limit` is 100 by default.
 */
export const dead = (
  options: { readonly limit?: number | undefined } = {}
): Effect.Effect<ReadonlyArray<DeadLetter>, BrokerUnavailable, Broker> =>
  Broker.use((broker) => broker.dead({ limit: options.limit ?? 100 }))

/**
 * What happens to a run from now on, until it has ended; without an id, to all runs, for ever. Over an outage of the store
 * it has a gap.
 */
export const events = (id?: string): Stream.Stream<Event, RunNotFound | RunDamaged | BrokerUnavailable, Broker> =>
  Stream.unwrap(Effect.map(Broker, (broker) => broker.events(id)))

// ---- input ----------------------------------------------------------------------------------------------------------

interface Encoded {
  readonly text: Payload
  /** The elements of every fork that the input decides, or a literal. */
  readonly elements: ReadonlyMap<number, ReadonlyArray<Payload>>
}

const none = { get: () => undefined }
const noElements: Encoded["elements"] = new Map()

const encode = (compiled: Compiled, input: unknown): Effect.Effect<Encoded, InvalidInput> => {
  const { flow } = compiled.plan
  const encoded = Wire.encoder(compiled.input)(input)
  if (Exit.isFailure(encoded)) return Effect.fail(new InvalidInput({ flow, issue: Wire.issueOf(encoded.cause) }))
  const json: Json = encoded.value
  const text = JSON.stringify(json) ?? "null"
  if (compiled.plan.decides.length === 0) return Effect.succeed({ text, elements: noElements })
  const elements = new Map<number, ReadonlyArray<Payload>>()
  const place = { frame: [], input: text, items: [], ends: none }
  for (const { node, of } of compiled.plan.decides) {
    const array = fill(of, Run.prepared(compiled.plan), place, () => json)
    if (array._tag === "Missing" || !Array.isArray(array.value)) {
      return Effect.fail(new InvalidInput({ flow, issue: `${compiled.plan.nodes[node]!.id} needs an array` }))
    }
    elements.set(
      node,
      array.value.map((element) => JSON.stringify(element) ?? "null")
    )
  }
  return Effect.succeed({ text, elements })
}
