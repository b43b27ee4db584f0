import * as Client from "@arpeggio/core/Client"
import type { Json } from "@arpeggio/core/Plan"
import * as Worker from "@arpeggio/core/Worker"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import * as Expression from "../../core/test/fixture/Expression.ts"
import { Random } from "../../core/test/simulation/Random.ts"
import * as RedisBroker from "../src/RedisBroker.ts"
import * as RedisServer from "./RedisServer.ts"

let server: RedisServer.RedisServer
beforeAll(async () => {
  server = await RedisServer.start()
}, 120_000)
afterAll(() => server.stop())

const answer = <A>(input: { readonly id: string; readonly args: ReadonlyArray<Json> }, value: (ok: number) => A) =>
  Effect.suspend(() => {
    const ended = Expression.ending(input)
    if ("ok" in ended) return Effect.succeed(value(ended.ok))
    return Effect.fail(ended.fail === "Boom" ? new Expression.Boom() : new Expression.Bang())
  })

const worker = Worker.layer({ tasks: [Expression.call, Expression.list], sweepInterval: "100 millis" }).pipe(
  Layer.provide([
    Expression.call.toLayer((input) => answer(input, Expression.callValue)),
    Expression.list.toLayer((input) => answer(input, Expression.listValue))
  ])
)

const meaningOf = (expression: Expression.Expression, input: Json): Expression.Meaning | undefined => {
  try {
    return Expression.evaluate(expression, input)
  } catch (error) {
    if (error instanceof Expression.Ambiguous) return undefined
    throw error
  }
}

/** How the flow of this seed ended otherwise than it should. */
const difference = (seed: number) =>
  Effect.gen(function* () {
    const expression = Expression.generate(new Random(seed))
    const input = [1, 2].slice(seed % 3)
    const meaning = meaningOf(expression, input)
    if (meaning === undefined) return undefined
    const run = yield* Client.submit(Expression.define(expression), input)
    const outcome = yield* Client.outcome(run.id)
    const expected = meaning.outcome
    const agrees =
      "ok" in expected
        ? outcome._tag === "Succeeded" && JSON.stringify(outcome.value) === JSON.stringify(expected.ok)
        : outcome._tag === "Failed" && expected.fail.has(outcome.failed.tag)
    const should = "ok" in expected ? JSON.stringify(expected.ok) : [...expected.fail].join(" or ")
    return agrees
      ? undefined
      : `ARPEGGIO_SEED=${seed}: gave ${JSON.stringify(outcome)}, and should have given ${should}`
  })

describe("flows over Redis", () => {
  it("mean what the same program with promises would, their values included", async () => {
    const only = process.env["ARPEGGIO_SEED"]
    const seeds =
      only === undefined
        ? Array.from({ length: Number(process.env["ARPEGGIO_RUNS"] ?? 500) }, (_, i) => i)
        : [Number(only)]
    const app = worker.pipe(
      Layer.provideMerge(RedisBroker.layer({ url: server.url, namespace: `flows-${process.pid}:` }))
    )
    const found = await Effect.runPromise(
      Effect.forEach(seeds, difference, { concurrency: 20 }).pipe(Effect.provide(app))
    )
    expect(found.filter((wrong) => wrong !== undefined)).toEqual([])
  }, 120_000)
})
