/**
 * What must hold when the primary dies under running workers: every run accepted before, meanwhile and after ends, with
 * its value.
 */
import type { Broker } from "@arpeggio/core/Broker"
import * as Client from "@arpeggio/core/Client"
import type { BrokerUnavailable, IncompatibleStore } from "@arpeggio/core/Failure"
import * as Flow from "@arpeggio/core/Flow"
import * as Task from "@arpeggio/core/Task"
import * as Worker from "@arpeggio/core/Worker"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { Redis } from "ioredis"
import { expect } from "vitest"
import type * as RedisServer from "./RedisServer.ts"
import * as Scene from "./Scene.ts"

const square = Task.make("square", { input: Schema.Int, output: Schema.Int })
const sum = Task.make("sum", { input: Schema.Array(Schema.Int), output: Schema.Int })
const sumOfSquares = Flow.make("sum of squares", { input: Schema.Array(Schema.Int) }, (numbers) =>
  sum(Flow.forEach(numbers, (n) => square(n)))
)

/**
 * `broker` is a new connection to the store each time. What `key` belongs to is the primary that dies; its `replica` takes
 * over.
 */
export const survives = (options: {
  readonly broker: Layer.Layer<Broker, BrokerUnavailable | IncompatibleStore>
  readonly primary: RedisServer.OwnServer
  readonly replica: RedisServer.OwnServer
  readonly key: string
}): Effect.Effect<void, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    // Held back until the primary is dead, so that runs are open when it dies.
    const gate = Latch.makeUnsafe(false)
    const handlers = Layer.mergeAll(
      square.toLayer((n) => (n < 0 ? Effect.as(gate.await, n * n) : Effect.succeed(n * n))),
      sum.toLayer((numbers) => Effect.succeed(numbers.reduce((total, n) => total + n, 0)))
    )
    const worker = Worker.layer({ tasks: [square, sum], sweepInterval: "200 millis" }).pipe(
      Layer.provide(handlers),
      Layer.provide(Layer.fresh(options.broker))
    )
    yield* Layer.build(Layer.mergeAll(worker, Layer.fresh(worker)))
    const client = yield* Layer.build(Layer.fresh(options.broker))

    const accepted: Array<{ readonly id: string; readonly value: number }> = []
    const submit = (id: string, numbers: ReadonlyArray<number>) =>
      Effect.map(
        Scene.persist(Client.submit(sumOfSquares, numbers, { id })),
        () => void accepted.push({ id, value: numbers.reduce((total, n) => total + n * n, 0) })
      )
    const several = (when: string, count: number, first: number) =>
      Effect.forEach(Array.from({ length: count }).keys(), (i) => submit(`${when} ${i}`, [first, i, 2, 3, 4, 5, 6]), {
        concurrency: 10
      })
    const outcomes = Effect.forEach(
      accepted,
      ({ id, value }) => Effect.map(Client.outcome(id), (outcome) => ({ id, value, outcome })),
      { concurrency: "unbounded" }
    )

    yield* Effect.gen(function* () {
      yield* several("done before", 20, 1)
      for (const { id } of accepted) yield* Client.outcome(id)
      yield* several("open", 40, -1)
      yield* Effect.promise(() => replicated(options.primary, options.key))
      yield* Effect.promise(options.primary.kill)
      gate.openUnsafe()
      yield* several("meanwhile", 20, 1)
      const ended = yield* Effect.suspend(() => outcomes)
      yield* several("after", 20, 1)
      const all = [...ended, ...(yield* Effect.suspend(() => outcomes))]
      expect(all.filter(({ outcome, value }) => !(outcome._tag === "Succeeded" && outcome.value === value))).toEqual([])
      expect(accepted.length).toBe(100)
      expect(yield* Effect.promise(() => options.replica.command("ROLE"))).toContain("master")
    }).pipe(Effect.provideContext(client))
  })

/** Completes when the replica has all there is. */
const replicated = async ({ access }: RedisServer.OwnServer, key: string): Promise<void> => {
  const client = new Redis(access)
  // WAIT speaks of what its own connection has written.
  await client.set(key, "1")
  expect(await client.wait(1, 5_000)).toBe(1)
  client.disconnect()
}
