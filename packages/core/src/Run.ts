/**
 * A run, as whoever submitted it holds it: its id, and what can be done with it. Its outcome has the types of its flow: the
 * value, or an error the flow declares, or a `RunError` that says how else it ended.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { memoize } from "effect/Function"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import type { Address, Broker, Ended, Event, Failed, RunEnd, RunView } from "./Broker.ts"
import { Cancelled, NodeNotFound, PayloadMismatch, RunError, StepFailure } from "./Failure.ts"
import type { BrokerUnavailable, RunDamaged, RunNotEnded, RunNotFound } from "./Failure.ts"
import * as Outage from "./Outage.ts"
import type { Compiled } from "./Plan.ts"
import { fromId, parse, toId } from "./plan/Address.ts"
import type { Json, Plan } from "./plan/Document.ts"
import { fillOutput, prepare } from "./plan/Values.ts"
import type { Prepared } from "./plan/Values.ts"
import * as Wire from "./plan/Wire.ts"

/**
 * The handle of a run whose flow gives an `A` or fails with an `E`. It has its broker; nothing it does needs a service.
 *
 * @example
 * ```ts
 * import type { Run } from "@arpeggio/core/Run"
 * import * as Effect from "effect/Effect"
 *
 * export const orRetried = <A, E>(run: Run<A, E>) =>
 *   Effect.catchTag(run.await, "RunError", () => Effect.andThen(run.retry(), run.await))
 * ```
 */
export interface Run<out A, out E> {
  readonly id: string
  /** The outcome, once the run has ended: its value, or what it failed with. While the store is away, it waits. */
  readonly await: Effect.Effect<A, E | RunError | RunNotFound | RunDamaged>
  /** Once it returns, nothing of the run starts any more but clean-up. False when the run had ended. */
  readonly cancel: Effect.Effect<boolean, RunNotFound | RunDamaged | BrokerUnavailable>
  /**
   * Runs again what failed and was not handled, and what depends on it; with `from`, that node, by its readable id or its
   * address. What succeeded is kept.
   */
  readonly retry: (options?: {
    readonly from?: string | undefined
  }) => Effect.Effect<
    { readonly generation: number },
    RunNotFound | RunDamaged | RunNotEnded | NodeNotFound | BrokerUnavailable
  >
  /** As it is now: its state, and how many of its nodes are where. */
  readonly view: Effect.Effect<RunView, RunNotFound | RunDamaged | BrokerUnavailable>
  /** What happens from now on; ends with the run. */
  readonly events: Stream.Stream<Event, RunNotFound | RunDamaged | BrokerUnavailable>
}

/** How a run ended, without the types of its flow. */
export type Outcome =
  | { readonly _tag: "Succeeded"; readonly value: Json }
  | {
      readonly _tag: "Failed"
      /** Readable id of the node that failed. */
      readonly node: string
      readonly address: Address
      /** The key of its task; nothing for built-in work. */
      readonly task: string | undefined
      readonly attempt: number
      readonly failed: Failed
    }
  | { readonly _tag: "Cancelled" }

/** The handle of a run of this flow. It may have been submitted with an older plan than the flow has now. */
export const make = <A, E>(
  broker: Broker["Service"],
  compiled: Compiled,
  id: string,
  plan: Effect.Effect<Plan, RunNotFound | RunDamaged | BrokerUnavailable>
): Run<A, E> => new Handle(broker, compiled, id, plan)

/** A class, because thousands are made at once, and an object with getters of its own costs ten times as much. */
class Handle<A, E> implements Run<A, E> {
  readonly id: string
  readonly #broker: Broker["Service"]
  readonly #compiled: Compiled
  readonly #plan: Effect.Effect<Plan, RunNotFound | RunDamaged | BrokerUnavailable>

  constructor(
    broker: Broker["Service"],
    compiled: Compiled,
    id: string,
    plan: Effect.Effect<Plan, RunNotFound | RunDamaged | BrokerUnavailable>
  ) {
    this.id = id
    this.#broker = broker
    this.#compiled = compiled
    this.#plan = plan
  }

  get await(): Run<A, E>["await"] {
    const ended = outcome(this.#broker, this.id, this.#plan)
    return Effect.flatMap(ended, (ended) => typed<A, E>(this.#compiled, this.id, ended))
  }

  get cancel(): Run<A, E>["cancel"] {
    return this.#broker.cancel(this.id)
  }

  get view(): Run<A, E>["view"] {
    return this.#broker.run(this.id)
  }

  get events(): Run<A, E>["events"] {
    return this.#broker.events(this.id)
  }

  get retry(): Run<A, E>["retry"] {
    return (options) => retry(this.#broker, this.id, options?.from)
  }
}

/** Waits for the end of a run and reads its outcome, over all outages of the store. */
export const outcome = (
  broker: Broker["Service"],
  id: string,
  plan: Effect.Effect<Plan, RunNotFound | RunDamaged | BrokerUnavailable> = planOf(broker, id)
): Effect.Effect<Outcome, RunNotFound | RunDamaged> => Outage.rideOut(broker, id, awaited(broker, id, plan))

const awaited = (
  broker: Broker["Service"],
  id: string,
  plan: Effect.Effect<Plan, RunNotFound | RunDamaged | BrokerUnavailable>
): Effect.Effect<Outcome, RunNotFound | RunDamaged | BrokerUnavailable> =>
  Effect.flatMap(broker.await(id), (end): Effect.Effect<Outcome, RunNotFound | RunDamaged | BrokerUnavailable> => {
    switch (end.state) {
      case "cancelled":
        return Effect.succeed({ _tag: "Cancelled" })
      case "failed":
        return Effect.map(plan, (plan) => failure(plan, end))
      case "succeeded":
        return Effect.flatMap(plan, (plan) => {
          const known = new Map([[String(plan.bodies[0].exit), end.exit]])
          const value = readOutput(broker, id, prepared(plan), end, known)
          // Retried meanwhile: what was there has been reset, and the run will end again.
          return Effect.catchTag(value, "Reopened", () => awaited(broker, id, Effect.succeed(plan)))
        })
    }
  })

export const retry = (
  broker: Broker["Service"],
  id: string,
  from: string | undefined
): Effect.Effect<
  { readonly generation: number },
  RunNotFound | RunDamaged | RunNotEnded | NodeNotFound | BrokerUnavailable
> =>
  Effect.gen(function* () {
    if (from === undefined) return yield* broker.retry(id)
    const address = fromId(yield* planOf(broker, id), from)
    if (address === undefined) return yield* new NodeNotFound({ run: id, node: from })
    const view = yield* broker.run(id)
    const [end] = yield* broker.read(id, [address])
    // In a run that has ended every node has.
    if (view.state !== "running" && end === undefined) return yield* new NodeNotFound({ run: id, node: from })
    return yield* broker.retry(id, address)
  })

/** The plan a run was submitted with. */
export const planOf = (
  broker: Broker["Service"],
  id: string
): Effect.Effect<Plan, RunNotFound | RunDamaged | BrokerUnavailable> =>
  Effect.gen(function* () {
    const { planHash } = yield* broker.run(id)
    const plan = yield* broker.plan(planHash)
    return plan ?? (yield* Effect.die(new Error(`The broker has run ${id} and not its plan ${planHash}`)))
  })

const failure = (plan: Plan, { failure, generation }: RunEnd): Outcome => {
  if (failure === undefined) throw new Error(`A run failed in generation ${generation} without a failure`)
  const node = plan.nodes[parse(failure.node)?.node ?? -1]
  return {
    _tag: "Failed",
    node: toId(plan, failure.node),
    address: failure.node,
    task: node?._tag === "Task" ? node.task : undefined,
    attempt: failure.attempt,
    failed: failure.failed
  }
}

/** The run is not what it was when it ended. */
class Reopened extends Data.TaggedError("Reopened") {}

const readOutput = (
  broker: Broker["Service"],
  id: string,
  plan: Prepared,
  end: RunEnd,
  known: Map<Address, Ended>
): Effect.Effect<Outcome, Reopened | RunNotFound | RunDamaged | BrokerUnavailable> => {
  const filled = fillOutput(plan, end.input ?? "null", known)
  if (filled._tag === "Filled") return Effect.succeed({ _tag: "Succeeded", value: filled.value })
  return Effect.flatMap(broker.read(id, filled.read), (read) => {
    for (let i = 0; i < filled.read.length; i++) {
      const ended = read[i]
      if (ended === undefined) return Effect.fail(new Reopened())
      known.set(filled.read[i]!, ended)
    }
    return readOutput(broker, id, plan, end, known)
  })
}

// ---- with the types of the flow -----------------------------------------------------------------------------------

/** A plan made ready for reading, once per plan. */
export const prepared: (plan: Plan) => Prepared = memoize(prepare)

const decodeFailure = Schema.decodeUnknownResult(Schema.toCodecJson(StepFailure))

const typed = <A, E>(compiled: Compiled, run: string, ended: Outcome): Effect.Effect<A, E | RunError> => {
  switch (ended._tag) {
    case "Succeeded": {
      const value = Wire.decoder(compiled.output)(ended.value)
      if (Exit.isSuccess(value)) return Effect.succeed(value.value as A)
      const issue = Wire.issueOf(value.cause)
      return Effect.fail(
        new RunError({
          run,
          node: compiled.plan.nodes[compiled.plan.bodies[0].exit]!.id,
          attempt: 1,
          failure: new PayloadMismatch({ where: "output", task: compiled.plan.flow, issue })
        })
      )
    }
    case "Cancelled":
      return Effect.fail(new RunError({ run, node: undefined, attempt: 0, failure: new Cancelled() }))
    case "Failed": {
      const error = typedError(compiled, ended)
      if (Result.isSuccess(error)) return Effect.fail(error.success as E)
      return Effect.fail(new RunError({ run, node: ended.node, attempt: ended.attempt, failure: error.failure }))
    }
  }
}

/** The declared error, or what else it was. */
const typedError = (
  compiled: Compiled,
  { failed, task }: Extract<Outcome, { readonly _tag: "Failed" }>
): Result.Result<unknown, StepFailure> => {
  const unreadable = (issue: string) =>
    Result.fail(new PayloadMismatch({ where: "error", task: task ?? compiled.plan.flow, issue }))
  const json: unknown = JSON.parse(failed.error)
  if (!failed.declared) {
    return Result.match(decodeFailure(json), {
      onSuccess: Result.fail,
      onFailure: (error) => unreadable(error.message)
    })
  }
  const contract = task === undefined ? undefined : compiled.tasks.get(task)
  if (contract === undefined) return unreadable(`the flow calls no such task any more; the error is ${failed.error}`)
  const error = Wire.decoder(contract.error)(json)
  return Exit.isSuccess(error) ? Result.succeed(error.value) : unreadable(Wire.issueOf(error.cause))
}
