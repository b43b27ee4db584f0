/**
 * The tasks of the chaos campaigns. What each gives depends on its input only, but for `flaky`, which fails as often as it
 * is told to, and `fragile`, which fails until its run is retried; so the outcome of every run is known before it is submitted.
 */
import { Attempt } from "@arpeggio/core/Attempt"
import { LeaseLost } from "@arpeggio/core/Failure"
import type { Json } from "@arpeggio/core/Plan"
import * as Task from "@arpeggio/core/Task"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Cause from "effect/Cause"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Expression from "../../packages/core/test/fixture/Expression.ts"
import type { Ledger } from "./Ledger.ts"
import { attemptOf } from "./Ledger.ts"

export class Refused extends Schema.TaggedError<Refused>()("Refused", { n: Schema.Int }) {}

/** `n` is what it computes with, `ms` how long it takes. */
const Load = Schema.Struct({ n: Schema.Int, ms: Schema.Int })

export const step = Task.make("step", { input: Load, output: Schema.Int })
export const sum = Task.make("sum", { input: Schema.Array(Schema.Int), output: Schema.Int })
export const split = Task.make("split", {
  input: Schema.Struct({ n: Schema.Int, count: Schema.Int }),
  output: Schema.Array(Schema.Int)
})
/** Always fails, with an error it declares. */
export const refuse = Task.make("refuse", { input: Load, output: Schema.Int, error: Refused })
/** Fails in its first `failures` attempts of four. */
export const flaky = Task.make("flaky", {
  input: Schema.Struct({ n: Schema.Int, failures: Schema.Int }),
  output: Schema.Int,
  error: Refused,
  retry: { attempts: 4, base: "20 millis", max: "200 millis" }
})
/** Fails in the first generation of its run. */
export const fragile = Task.make("fragile", { input: Load, output: Schema.Int, error: Refused })
/** Ends its process. */
export const crash = Task.make("crash", { input: Load, output: Schema.Int })

export const stepValue = (n: number): number => (n * 31 + 7) % 1_000
export const sumValue = (ns: ReadonlyArray<number>): number => ns.reduce((total, n) => total + n, 0) % 1_000_003
export const splitValue = (n: number, count: number): ReadonlyArray<number> =>
  Array.from({ length: count }, (_, i) => (n + i) % 1_000)

export const tasks = [step, sum, split, refuse, flaky, fragile, crash, Expression.call, Expression.list] as const

/** The handlers, each of which keeps a record of itself. */
export const handlers = (ledger: Ledger, worker: string) => {
  const recorded = <A, E>(body: Effect.Effect<A, E>): Effect.Effect<A, E, Attempt> =>
    Effect.flatMap(Attempt, ({ generation, lost, node, number, runId, signal }) => {
      const record = (kind: "start" | "ok" | "failed" | "stopped" | "unsure") =>
        ledger.append([kind, worker, Date.now(), runId, node, attemptOf(generation, number), lost])
      record("start")
      return Effect.onExit(body, (exit) =>
        Effect.sync(() =>
          record(
            Exit.isSuccess(exit)
              ? "ok"
              : !Cause.hasInterruptsOnly(exit.cause)
                ? "failed"
                : signal.reason instanceof LeaseLost
                  ? "unsure"
                  : "stopped"
          )
        )
      )
    })
  const after = <A>(ms: number, value: () => A) => Effect.as(Effect.sleep(ms), undefined).pipe(Effect.map(value))
  const answer = <A>(input: { readonly id: string; readonly args: ReadonlyArray<Json> }, value: (ok: number) => A) =>
    recorded(
      Effect.suspend(() => {
        const ended = Expression.ending(input)
        if ("ok" in ended) return Effect.succeed(value(ended.ok))
        return Effect.fail(ended.fail === "Boom" ? new Expression.Boom() : new Expression.Bang())
      })
    )
  return Layer.mergeAll(
    step.toLayer(({ ms, n }) => recorded(after(ms, () => stepValue(n)))),
    sum.toLayer((ns) => recorded(Effect.sync(() => sumValue(ns)))),
    split.toLayer(({ count, n }) => recorded(Effect.sync(() => splitValue(n, count)))),
    refuse.toLayer(({ ms, n }) => recorded(Effect.andThen(Effect.sleep(ms), Effect.fail(new Refused({ n }))))),
    flaky.toLayer(({ failures, n }) =>
      Effect.flatMap(Attempt, ({ number }) =>
        recorded(number > failures ? Effect.succeed(stepValue(n)) : Effect.fail(new Refused({ n })))
      )
    ),
    fragile.toLayer(({ ms, n }) =>
      Effect.flatMap(Attempt, ({ generation }) =>
        recorded(
          Effect.andThen(
            Effect.sleep(ms),
            generation > 1 ? Effect.succeed(stepValue(n)) : Effect.fail(new Refused({ n }))
          )
        )
      )
    ),
    crash.toLayer(() => recorded(Effect.sync((): number => process.exit(13)))),
    Expression.call.toLayer((input) => answer(input, Expression.callValue)),
    Expression.list.toLayer((input) => answer(input, Expression.listValue))
  )
}
