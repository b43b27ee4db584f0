/**
 * The handlers of a user's module, built from the layer it exports.
 */
import * as Defaults from "@arpeggio/core/Defaults"
import * as Handler from "@arpeggio/core/Handler"
import type { Compiled, Plan } from "@arpeggio/core/Plan"
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import { WrongUse } from "./ExitCode.ts"

/** Builds the layer; `source` is where it is from, for messages: the path of a module. */
export const build = (
  layer: Layer.Layer<never, unknown>,
  source: string
): Effect.Effect<Context.Context<never>, WrongUse, Scope.Scope> =>
  Effect.catchCause(Layer.build(layer), (cause) =>
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

/** That each task of a flow has one: in one process there is nobody else, the run would wait for ever. */
export const check = (
  { plan, tasks }: Compiled,
  handlers: Context.Context<never>,
  source: string
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

/** The queues a plan's work goes to. */
export const queuesOf = (plan: Plan): ReadonlyArray<string> =>
  Array.from(
    new Set([
      Defaults.policy.queue,
      ...plan.nodes.flatMap((node) => ("policy" in node ? (node.policy?.queue ?? []) : []))
    ])
  )
