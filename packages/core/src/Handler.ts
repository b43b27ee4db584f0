/**
 * The work of a task, as a worker finds it: a service keyed by the task's key, in the context that a layer of handlers
 * builds. `Task.toLayer` makes such layers; a worker that knows its tasks asks for their services, one that loads a module
 * takes all there are.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import * as Attempt from "./Attempt.ts"
import type { Contract } from "./definition/Step.ts"

/** That a handler for the task of this key is there: what a worker layer requires when it is missing. */
export interface Handler<in out K extends string> {
  readonly "~arpeggio/Handler": K
}

/** A handler, and the services its layer was built with. */
export interface Executor {
  readonly task: Contract
  /** What `run` needs. A worker puts them over its own once, not for every attempt. */
  readonly services: Context.Context<never>
  /** Runs one attempt on a decoded input. Fails with what the task declares; all else is a defect. */
  readonly run: (input: unknown) => Effect.Effect<unknown, unknown, Attempt.Attempt>
}

const prefix = "@arpeggio/core/Handler/"

/** The service of the handler for the task of this key. */
export const tag = <const K extends string>(key: K): Context.Service<Handler<K>, Executor> =>
  Context.Service<Handler<K>, Executor>(prefix + key)

/**
 * All handlers in a context, in the order of their layers.
 *
 * @example
 * ```ts
 * import * as Handler from "@arpeggio/core/Handler"
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 *
 * const taskKeys = (handlers: Layer.Layer<unknown>) =>
 *   Effect.scoped(Effect.map(Layer.build(handlers), (context) => Handler.all(context).map((handler) => handler.task.key)))
 * ```
 */
export const all = <R>(context: Context.Context<R>): ReadonlyArray<Executor> => {
  const found: Array<Executor> = []
  for (const [key, service] of context.mapUnsafe) {
    if (key.startsWith(prefix)) found.push(service as Executor)
  }
  return found
}

/** What a handler may be: an Effect, or an async function. */
export type Implementation<A, B, E, R> = (
  input: A,
  attempt: Attempt.Attempt["Service"]
) => Effect.Effect<B, E, R> | Promise<B>

/** What the worker provides per attempt, so that a layer of handlers need not. */
export type Provided = Attempt.Attempt | Scope.Scope

const isDeclared = (task: Contract): ((error: unknown) => boolean) => {
  let declares: ((error: unknown) => boolean) | undefined
  return (error) => (declares ??= Schema.is(task.error as Schema.Codec<unknown>))(error)
}

const fromPromise = (promise: unknown, declared: (error: unknown) => boolean): Effect.Effect<unknown, unknown> =>
  Effect.callback((resume) => {
    Promise.resolve(promise).then(
      (value) => resume(Effect.succeed(value)),
      (error: unknown) => resume(declared(error) ? Effect.fail(error) : Effect.die(error))
    )
  })

/**
 * The layer of a task's handler. Its services are taken once, when the layer is built; the scope and the span are those of
 * each attempt.
 */
export const layer = <K extends string, A, B, E, R>(
  task: Contract & { readonly key: K },
  implementation: Implementation<A, B, E, R>
): Layer.Layer<Handler<K>, never, Exclude<R, Provided>> => {
  const declared = isDeclared(task)
  // The finalizer is there before the handler is called: it may be interrupted while it is still handing its signal on.
  const call = (input: unknown) =>
    Effect.flatMap(Attempt.Attempt, (attempt) =>
      Effect.onInterrupt(
        Effect.suspend(() => {
          const result: unknown = implementation(input as A, attempt)
          return Effect.isEffect(result) ? (result as Effect.Effect<B, E, R>) : fromPromise(result, declared)
        }),
        () => Effect.sync(() => Attempt.abort(attempt))
      )
    )
  const executor = Effect.map(Effect.context<Exclude<R, Provided>>(), (context) => {
    const services = Context.omit(Tracer.ParentSpan)(context as Context.Context<Tracer.ParentSpan | R>)
    return { task, services, run: (input: unknown) => Effect.scoped(call(input)) } as Executor
  })
  return Layer.effect(tag(task.key), executor) as Layer.Layer<Handler<K>, never, Exclude<R, Provided>>
}
