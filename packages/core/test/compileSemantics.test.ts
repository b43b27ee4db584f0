import * as Client from "@arpeggio/core/Client"
import type { Json } from "@arpeggio/core/Plan"
import * as MemoryBroker from "@arpeggio/core/MemoryBroker"
import * as Plan from "@arpeggio/core/Plan"
import * as Worker from "@arpeggio/core/Worker"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Expression from "./fixture/Expression.ts"
import { Random } from "./simulation/Random.ts"

/** The calls that handlers saw. */
const seen: Array<string> = []

const answer = <A>(input: { readonly id: string; readonly args: ReadonlyArray<Json> }, value: (ok: number) => A) =>
  Effect.suspend(() => {
    seen.push(Expression.keyOf(input))
    const ended = Expression.ending(input)
    if ("ok" in ended) return Effect.succeed(value(ended.ok))
    return Effect.fail(ended.fail === "Boom" ? new Expression.Boom() : new Expression.Bang())
  })

const app = Worker.layer({ tasks: [Expression.call, Expression.list], sweep: false }).pipe(
  Layer.provide([
    Expression.call.toLayer((input) => answer(input, Expression.callValue)),
    Expression.list.toLayer((input) => answer(input, Expression.listValue))
  ]),
  Layer.provideMerge(MemoryBroker.layer())
)

const meaningOf = (expression: Expression.Expression, input: Json): Expression.Meaning | undefined => {
  try {
    return Expression.evaluate(expression, input)
  } catch (error) {
    if (error instanceof Expression.Ambiguous) return undefined
    throw error
  }
}

/** Compiles and runs one random flow; what came differently than it should, in words. */
const difference = (seed: number) =>
  Effect.gen(function* () {
    const expression = Expression.generate(new Random(seed))
    const input = [1, 2].slice(seed % 3)
    const meaning = meaningOf(expression, input)
    const flow = Expression.define(expression)
    const compiled = Plan.compile(flow)
    if (Result.isFailure(compiled)) return `does not compile: ${compiled.failure.message}`
    const validated = Plan.validate(compiled.success.plan)
    if (Result.isFailure(validated)) return `is not valid: ${validated.failure.message}`
    if (meaning === undefined) return undefined
    // A run that its failure closes has the same outcome, and need not make every call.
    const closes = seed % 4 === 0
    seen.length = 0
    const run = yield* Client.submit(flow, input, { onFailure: closes ? "cancel" : "finish" })
    const outcome = yield* Client.outcome(run.id)
    const expected = meaning.outcome
    const agrees =
      "ok" in expected
        ? outcome._tag === "Succeeded" && JSON.stringify(outcome.value) === JSON.stringify(expected.ok)
        : outcome._tag === "Failed" && expected.fail.has(outcome.failed.tag)
    if (!agrees) {
      const should = "ok" in expected ? JSON.stringify(expected.ok) : [...expected.fail].join(" or ")
      return `gave ${JSON.stringify(outcome)}, and should have given ${should}`
    }
    const calls = JSON.stringify([...seen].sort())
    const should = JSON.stringify([...meaning.calls].sort())
    return closes || meaning.isBounded || calls === should
      ? undefined
      : `called ${calls}, and should have called ${should}`
  })

describe("compile", () => {
  it.live(
    "keeps the meaning: random flows run as the same program with promises would",
    () =>
      Effect.gen(function* () {
        const only = process.env["ARPEGGIO_SEED"]
        const seeds =
          only === undefined
            ? Array.from({ length: Number(process.env["ARPEGGIO_RUNS"] ?? 250) }, (_, i) => i)
            : [Number(only)]
        const wrong: Array<string> = []
        for (const seed of seeds) {
          const found = yield* difference(seed)
          if (found !== undefined) wrong.push(`ARPEGGIO_SEED=${seed} vitest run test/compileSemantics: ${found}`)
        }
        expect(wrong).toEqual([])
      }).pipe(Effect.provide(app)),
    60_000
  )
})
