import { assert, describe, it } from "@effect/vitest"
import type { Swept } from "@arpeggio/core/Broker"
import { Broker } from "@arpeggio/core/Broker"
import { BrokerUnavailable } from "@arpeggio/core/Failure"
import * as Client from "@arpeggio/core/Client"
import * as MemoryBroker from "@arpeggio/core/MemoryBroker"
import * as Orchestrator from "@arpeggio/core/Orchestrator"
import * as Task from "@arpeggio/core/Task"
import * as Worker from "@arpeggio/core/Worker"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Schema from "effect/Schema"
import { TestClock } from "effect/testing"

const task = Task.make("work", { input: Schema.Int, output: Schema.Int })
const worker = Worker.layer({ tasks: [task], sweep: false }).pipe(Layer.provide(task.toLayer((n) => Effect.succeed(n))))
const program = Effect.gen(function* () {
  const run = yield* Client.submit(task, 1, { delay: "10 seconds" })
  yield* TestClock.adjust("20 seconds")
  return run
})

describe("Orchestrator", () => {
  it.effect("starts what is due where no worker sweeps", () =>
    Effect.gen(function* () {
      const run = yield* program
      assert.strictEqual(yield* run.await, 1)
    }).pipe(Effect.provide(Layer.provideMerge(Layer.merge(worker, Orchestrator.layer()), MemoryBroker.layer())))
  )

  it.effect("is needed then", () =>
    Effect.gen(function* () {
      const run = yield* program
      assert.strictEqual((yield* run.view).state, "running")
    }).pipe(Effect.provide(Layer.provideMerge(worker, MemoryBroker.layer())))
  )

  it.effect("sweeps on after a sweep that died", () => {
    let deaths = 3
    const dying = Layer.effect(
      Broker,
      Effect.map(Broker, (broker) => ({
        ...broker,
        sweep: Effect.suspend(() => (deaths-- > 0 ? Effect.die(new Error("a fault of the broker")) : broker.sweep))
      }))
    ).pipe(Layer.provide(MemoryBroker.layer()))
    return Effect.gen(function* () {
      const run = yield* program
      assert.strictEqual(yield* run.await, 1)
    }).pipe(Effect.provide(Layer.provideMerge(Layer.merge(worker, Orchestrator.layer()), dying)))
  })

  it.effect("sweeps again at once while there is something to do", () => {
    let sweeps = 0
    let found = 4
    const busy = Layer.effect(
      Broker,
      Effect.map(Broker, (broker) => ({
        ...broker,
        sweep: Effect.sync(() => {
          sweeps++
          return { timers: found-- > 0 ? 1 : 0, late: 0, workers: 0, removed: 0 }
        })
      }))
    ).pipe(Layer.provide(MemoryBroker.layer()))
    return Effect.gen(function* () {
      yield* TestClock.adjust("1300 millis")
      assert.strictEqual(sweeps, 5)
    }).pipe(Effect.provide(Layer.provideMerge(Orchestrator.layer({ interval: "1 second" }), busy)))
  })

  it.effect("does not sweep while nothing is due", () => {
    let sweeps = 0
    let due = 60_000
    const patient = Layer.effect(
      Broker,
      Effect.map(Broker, (broker) => ({
        ...broker,
        nextSweep: Effect.sync(() => due),
        sweep: Effect.tap(broker.sweep, () =>
          Effect.sync(() => {
            sweeps++
            due = 60_000
          })
        )
      }))
    ).pipe(Layer.provide(MemoryBroker.layer()))
    return Effect.gen(function* () {
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(sweeps, 0)
      due = 0
      yield* TestClock.adjust("1300 millis")
      assert.strictEqual(sweeps, 1)
    }).pipe(Effect.provide(Layer.provideMerge(Orchestrator.layer({ interval: "1 second" }), patient)))
  })

  it.effect("sweeps when what it has seen is due, and not at the next interval", () => {
    const sweptAt: Array<number> = []
    const clock = Layer.effect(
      Broker,
      Effect.map(Broker, (broker) => ({
        ...broker,
        sweep: Effect.tap(broker.sweep, ({ timers }) =>
          Effect.map(Clock.currentTimeMillis, (now) => (timers > 0 ? sweptAt.push(now) : 0))
        )
      }))
    ).pipe(Layer.provide(MemoryBroker.layer()))
    return Effect.gen(function* () {
      yield* Client.submit(task, 1, { delay: "10200 millis" })
      yield* TestClock.adjust("20 seconds")
      assert.deepStrictEqual(sweptAt, [10_200])
    }).pipe(Effect.provide(Layer.provideMerge(Orchestrator.layer({ interval: "1 second" }), clock)))
  })

  it.effect("starts what is due before it would have looked, when a worker that waits for work can tell it", () => {
    const startedAt: Array<number> = []
    const timed = task.toLayer((n) => Effect.map(Clock.currentTimeMillis, (now) => (startedAt.push(now), n)))
    const sweeping = Worker.layer({ tasks: [task], sweepInterval: "1 minute" }).pipe(Layer.provide(timed))
    return Effect.gen(function* () {
      for (const delay of [300, 200]) {
        yield* TestClock.adjust("1 minute")
        yield* Client.submit(task, 1, { delay })
      }
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(startedAt, [60_300, 120_200])
    }).pipe(Effect.provide(Layer.provideMerge(sweeping, MemoryBroker.layer())))
  })

  it.effect("leaves what is due to others that are quicker", () => {
    let asked = 0
    const behind = Layer.effect(
      Broker,
      // Due again and again, and each time somebody else has done it.
      Effect.map(Broker, (broker) => ({ ...broker, nextSweep: Effect.sync(() => (asked++, 10)) }))
    ).pipe(Layer.provide(MemoryBroker.layer()))
    return Effect.gen(function* () {
      yield* TestClock.adjust("60 seconds")
      assert.isBelow(asked, 150)
    }).pipe(Effect.provide(Layer.provideMerge(Orchestrator.layer({ interval: "1 second" }), behind)))
  })

  it.effect("asks now and then what the store has lost sight of, counts it, and asks again where that fails", () => {
    const outcomes = [Effect.succeed(2), Effect.fail(new BrokerUnavailable({ reason: "gone" })), Effect.succeed(1)]
    const forgetful = Layer.effect(
      Broker,
      Effect.map(Broker, (broker) => ({
        ...broker,
        reconcile: Effect.suspend(() => outcomes.shift() ?? Effect.succeed(0))
      }))
    ).pipe(Layer.provide(MemoryBroker.layer()))
    return Effect.gen(function* () {
      yield* TestClock.adjust("60 seconds")
      const metric = (yield* Metric.snapshot).find(({ id }) => id === "arpeggio_reconciled")
      assert.deepInclude(metric?.state, { count: 3 })
    }).pipe(
      Effect.provide(Layer.provideMerge(Orchestrator.layer(), forgetful)),
      Effect.provideService(Metric.MetricRegistry, new Map())
    )
  })

  it.effect("counts sweeps, what they found, and how late they were", () => {
    const outcomes: Array<Effect.Effect<Swept, BrokerUnavailable>> = [
      Effect.succeed({ timers: 2, late: 40, workers: 1, removed: 3 }),
      Effect.succeed({ timers: 0, late: 0, workers: 0, removed: 0 }),
      Effect.fail(new BrokerUnavailable({ reason: "gone" })),
      Effect.succeed({ timers: 1, late: 1_500, workers: 0, removed: 0 })
    ]
    const scripted = Layer.effect(
      Broker,
      Effect.map(Broker, (broker) => ({
        ...broker,
        sweep: Effect.suspend(() => outcomes.shift() ?? Effect.never)
      }))
    ).pipe(Layer.provide(MemoryBroker.layer()))
    return Effect.gen(function* () {
      yield* TestClock.adjust("10 seconds")
      const metrics = yield* Metric.snapshot
      const of = (id: string, outcome?: string) =>
        metrics.find((metric) => metric.id === id && metric.attributes?.["outcome"] === outcome)?.state
      assert.deepInclude(of("arpeggio_sweeps", "done"), { count: 3 })
      assert.deepInclude(of("arpeggio_sweeps", "failed"), { count: 1 })
      assert.deepInclude(of("arpeggio_sweep_duration"), { count: 3 })
      assert.deepInclude(of("arpeggio_sweep_timers"), { count: 3 })
      assert.deepInclude(of("arpeggio_sweep_lateness"), { count: 2, min: 40, max: 1_500 })
      assert.deepInclude(of("arpeggio_sweep_workers_dismissed"), { count: 1 })
      assert.deepInclude(of("arpeggio_sweep_runs_removed"), { count: 3 })
    }).pipe(
      Effect.provide(Layer.provideMerge(Orchestrator.layer({ interval: "1 second" }), scripted)),
      Effect.provideService(Metric.MetricRegistry, new Map())
    )
  })
})
