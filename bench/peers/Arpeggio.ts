/**
 * The processes of Arpeggio: `node Arpeggio.ts producer|worker <url>`.
 */
import * as RedisBroker from "@arpeggio/broker-redis/RedisBroker"
import type { Broker } from "@arpeggio/core/Broker"
import * as Client from "@arpeggio/core/Client"
import type * as Run from "@arpeggio/core/Run"
import type { Shape } from "@arpeggio/core/Step"
import * as Worker from "@arpeggio/core/Worker"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import type * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import type { Answer, Graph, Results } from "../Protocol.ts"
import * as Flows from "./ArpeggioFlows.ts"
import { serve, settings } from "./Serve.ts"

const { role, url } = settings()

// All results are kept, as the peers keep theirs; but for runs of a store of their own, which go with the next sweep.
const runtimes = {
  kept: ManagedRuntime.make(RedisBroker.layer({ url, retention: { count: 100_000_000 } })),
  dropped: ManagedRuntime.make(RedisBroker.layer({ url, namespace: "dropped:", retention: { count: 0 } }))
} satisfies Record<Results, unknown>
await runtimes.kept.context()

const run = <A, E>(effect: Effect.Effect<A, E, Broker>, results: Results = "kept"): Promise<A> =>
  runtimes[results].runPromise(effect)

// ---- producer -------------------------------------------------------------------------------------------------------

type NumberRun = Run.Run<number, unknown>
type NumberFlow<I> = Shape<Schema.Codec<I>, Schema.Codec<number>, unknown>

/** Handles of what was submitted and not yet asked for. */
let submitted: Array<NumberRun> = []

const submitAll = <I extends Schema.Constraint, S extends Schema.Codec<number>, E>(
  flow: Shape<I, S, E>,
  inputs: ReadonlyArray<I["Type"]>,
  concurrency: number,
  results: Results = "kept"
): Promise<void> =>
  run(
    Effect.forEach(
      inputs,
      (input) =>
        Effect.map(Client.submit(flow, input), (run) => {
          if (results === "kept") submitted.push(run)
        }),
      { concurrency, discard: true }
    ),
    results
  )

/** What goes out together is one call anyway, so bulk is no more than many at once. */
const bulk = 1_000

const numbers = (count: number): ReadonlyArray<{ readonly n: number }> =>
  Array.from({ length: count }, (_, n) => ({ n }))

/** A flow is compiled once per program, so a size is one flow. */
const flows = new Map<string, NumberFlow<{}>>()

const flowOf = (name: string, make: () => unknown): NumberFlow<{}> => {
  let flow = flows.get(name)
  if (flow === undefined) flows.set(name, (flow = make() as NumberFlow<{}>))
  return flow
}

const graphs = {
  chain: (size) => [flowOf(`chain ${size}`, () => Flows.chain(size)), { n: 0 }],
  chord: (size) => [flowOf(`chord ${size}`, () => Flows.chord(size)), {}],
  mesh: (size) => [flowOf(`mesh ${size}`, () => Flows.mesh(size)), {}],
  forEach: (size) => [flowOf("forEach", () => Flows.forEach), Array.from({ length: size }, (_, n) => n)]
} as const satisfies Record<Graph, (size: number) => readonly [NumberFlow<{}>, object]>

const produce = (): void =>
  serve<"producer">({
    enqueue: ({ count, inFlight, results }) =>
      submitAll(Flows.noop, numbers(count), inFlight === "bulk" ? bulk : inFlight, results),
    flows: ({ count }) => submitAll(Flows.small, numbers(count), bulk),
    totals: async () => {
      const asked = submitted
      submitted = []
      const values = await run(Effect.forEach(asked, (run) => run.await, { concurrency: 100 }))
      return { count: values.length, sum: values.reduce((sum, value) => sum + value, 0) }
    },
    graph: async ({ graph, size }): Promise<Answer> => {
      const begin = performance.now()
      const [flow, input] = graphs[graph](size)
      const value = await run(Client.execute(flow, input))
      return { value, millis: performance.now() - begin }
    },
    roundTrips: ({ count }) =>
      run(
        Effect.gen(function* () {
          const times: Array<number> = []
          for (let n = 0; n < count; n++) {
            const begin = performance.now()
            const value = yield* Client.execute(Flows.noop, { n })
            times.push(performance.now() - begin)
            if (value !== n) return yield* Effect.die(new Error(`the no-op of ${n} gave ${value}`))
          }
          return times
        })
      )
  })

// ---- worker ---------------------------------------------------------------------------------------------------------

/** Handlers that have been called since the worker began, and whom to tell of which. */
let handled = 0
let target = Infinity
let onTarget = (): void => {}

const ended = (value: number): Effect.Effect<number> => {
  if (++handled === target) onTarget()
  return Effect.succeed(value)
}

const handlers = Layer.mergeAll(
  Flows.noop.toLayer(({ n }) => ended(n)),
  Flows.next.toLayer(({ n }) => ended(n + 1)),
  Flows.total.toLayer((numbers) => ended(numbers.reduce((sum, n) => sum + n, 0))),
  Flows.merge.toLayer(({ a, b, c }) => ended((a + b + c) % Flows.modulus))
)

/** Asks nothing of the worker meanwhile: that would cost the very time that is measured. */
const calls = (count: number): Promise<void> =>
  new Promise((resolve) => {
    if (handled >= count) return resolve()
    target = count
    onTarget = resolve
  })

/** Attempts whose outcome the broker has: those that ended, without those that are on their way. */
const recorded = (worker: Worker.Worker["Service"]): Effect.Effect<number> =>
  Effect.gen(function* () {
    const { failed, running, succeeded } = yield* worker.stats
    if (failed > 0) return yield* Effect.die(new Error(`${failed} attempts failed`))
    return succeeded - ((yield* worker.holding).length - running)
  })

const work = (): void => {
  let results: Results
  let worker: Worker.Worker["Service"] | undefined
  let scope: Scope.Closeable | undefined
  serve<"worker">({
    run: async (given) => {
      handled = 0
      results = given.results
      scope = Scope.makeUnsafe()
      const layer = Worker.layer({ tasks: Flows.tasks, concurrency: given.concurrency }).pipe(Layer.provide(handlers))
      worker = Context.get(await run(Layer.buildWithScope(layer, scope), results), Worker.Worker)
    },
    done: ({ count }) =>
      run(
        Effect.gen(function* () {
          yield* Effect.promise(() => calls(count))
          let now = yield* recorded(worker!)
          for (; now < count; now = yield* recorded(worker!)) yield* Effect.sleep(1)
          const isGone = Effect.map(Client.runs({ limit: 1 }), (runs) => runs.length === 0)
          const isOver = results === "kept" ? Effect.succeed(true) : isGone
          while (!(yield* isOver)) yield* Effect.sleep(50)
          return now
        }),
        results
      ),
    halt: async () => {
      await run(Scope.close(scope!, Exit.void))
    }
  })
}

if (role === "producer") produce()
else work()
