/**
 * A task is a contract: a key, the schemas of input, output and error, and how it is run unless a call says otherwise. It
 * has no code, so it can be imported anywhere; its handler is a layer that only workers load.
 *
 * A task is a function: called with an input it makes a step of the flow that is being written, and gives the ref of its
 * value. Sharing that ref shares the step.
 */
import type * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { define } from "./definition/Partial.ts"
import * as Name from "./definition/Name.ts"
import { normalize } from "./definition/Policy.ts"
import type { PolicyOptions } from "./definition/Policy.ts"
import * as Origin from "./definition/Origin.ts"
import { make as makeStep } from "./definition/Step.ts"
import type { Call, Contract } from "./definition/Step.ts"
import * as Handler from "./Handler.ts"
import type { Policy } from "./plan/Document.ts"
import type { PureSchema, Step } from "./Step.ts"

export type { PolicyOptions, Retry } from "./definition/Policy.ts"

/** The tags of errors. */
export type Tags<E> = E extends { readonly _tag: infer T extends string } ? T : never

/** A task: its key is `K`, its schemas are `I`, `S` and, for errors, `X`. */
export interface Task<
  K extends string,
  I extends Schema.Constraint,
  S extends Schema.Constraint,
  X extends Schema.Constraint
> extends Step<I, S, X["Type"]> {
  /** Names the task everywhere: in plans, queues, and for the workers that have its handler. */
  readonly key: K
  readonly output: S
  readonly error: X
  /** In milliseconds; without what was left out. */
  readonly policy: Policy
  /**
   * The handler, as a layer. It is an Effect that succeeds with the output and fails with the declared error, or an async
   * function, whose rejection with a declared error is that failure; anything else that is thrown is a defect. The services
   * it needs are the layer's requirements; `Attempt` and a `Scope` per attempt are given by the worker. A second argument
   * tells about the attempt; its `signal` is aborted when the attempt is interrupted.
   *
   * @example
   * ```ts
   * import * as Task from "@arpeggio/core/Task"
   * import * as Effect from "effect/Effect"
   * import * as Layer from "effect/Layer"
   * import * as Schema from "effect/Schema"
   *
   * class NotFound extends Schema.TaggedError<NotFound>()("NotFound", { url: Schema.String }) {}
   *
   * const fetchText = Task.make("text.fetch", { input: Schema.Struct({ url: Schema.String }), output: Schema.String, error: NotFound })
   * const count = Task.make("text.count", { input: Schema.Struct({ text: Schema.String }), output: Schema.Int })
   *
   * export default Layer.mergeAll(
   *   fetchText.toLayer(async ({ url }, { signal }) => {
   *     const response = await fetch(url, { signal })
   *     if (response.status === 404) throw new NotFound({ url })
   *     return response.text()
   *   }),
   *   count.toLayer(({ text }) => Effect.succeed(text.split(/\s+/).length))
   * )
   * ```
   */
  readonly toLayer: <R = never>(
    handler: Handler.Implementation<I["Type"], S["Type"], X["Type"], R>
  ) => Layer.Layer<Handler.Handler<K>, never, Exclude<R, Handler.Provided>>
}

/** What a task is made of, beside its key. */
export interface Options<I extends PureSchema, S extends PureSchema, X extends PureSchema> extends PolicyOptions<
  Tags<X["Type"]>
> {
  readonly input: I
  readonly output: S
  /** The errors its handler may fail with, typed end to end; a union for several. Default: none. */
  readonly error?: X | undefined
}

/**
 * Makes a task. The schemas need no services, so that a flow can be compiled anywhere.
 *
 * An option that can't be is a problem of every call of the task, reported when a flow with it is compiled.
 *
 * @example
 * ```ts
 * import * as Task from "@arpeggio/core/Task"
 * import * as Schema from "effect/Schema"
 *
 * class NotFound extends Schema.TaggedError<NotFound>()("NotFound", { url: Schema.String }) {}
 *
 * export const fetchImage = Task.make("image.fetch", {
 *   input: Schema.Struct({ url: Schema.String }),
 *   output: Schema.Struct({ path: Schema.String, bytes: Schema.Int }),
 *   error: NotFound,
 *   retry: { attempts: 5, base: "200 millis", max: "30 seconds", except: ["NotFound"] },
 *   timeout: "30 seconds"
 * })
 * ```
 */
export const make = <
  const K extends string,
  I extends PureSchema,
  S extends PureSchema,
  X extends PureSchema = typeof Schema.Never
>(
  key: K,
  options: Options<I, S, X>
): Task<K, I, S, X> => {
  const { policy, problem } = normalize(options)
  const issue = Name.issueOf(key)
  const problems = [
    issue === undefined ? [] : `The key of a task is a name, like \`image.fetch\`: ${issue}.`,
    problem ?? []
  ].flat()
  const wrong = problems.length === 0 ? undefined : problems.join(" ")
  const { input, output } = options
  const error: Schema.Constraint = options.error ?? Schema.Never
  const contract: Contract & { readonly key: K } = { key, input, output, error, policy }
  const body = (given: unknown) =>
    Origin.ofStep(makeStep<Call>({ _tag: "Call", task: contract, input: given, output, problem: wrong }))
  const toLayer = (handler: Handler.Implementation<unknown, unknown, unknown, never>) =>
    Handler.layer(contract, handler)
  return define({ kind: "task", key, input, problem: undefined, body }, { output, error, policy, toLayer }) as Task<
    K,
    I,
    S,
    X
  >
}
