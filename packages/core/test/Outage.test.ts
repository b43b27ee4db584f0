import { assert, describe, it } from "@effect/vitest"
import { Broker } from "@arpeggio/core/Broker"
import * as Client from "@arpeggio/core/Client"
import { BrokerUnavailable } from "@arpeggio/core/Failure"
import * as MemoryBroker from "@arpeggio/core/MemoryBroker"
import * as Task from "@arpeggio/core/Task"
import * as Worker from "@arpeggio/core/Worker"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Schema from "effect/Schema"
import { TestClock } from "effect/testing"

const double = Task.make("double", { input: Schema.Int, output: Schema.Int })

/** A store that can be away, and what was logged about it. */
const rig = () => {
  const state = { isAway: false, asked: 0, forgets: false }
  const logged: Array<string> = []
  const answer = <A, E>(call: Effect.Effect<A, E>) =>
    Effect.suspend((): Effect.Effect<A, E | BrokerUnavailable> => {
      if (!state.isAway) return call
      state.asked++
      return Effect.fail(new BrokerUnavailable({ reason: "nobody answers" }))
    })
  const broker = Layer.effect(
    Broker,
    Effect.map(Broker, (broker) => ({
      ...broker,
      // Whoever waits when it goes away hears of it.
      await: (run) => answer(broker.await(run).pipe(Effect.raceFirst(Effect.forever(answer(Effect.sleep(1_000)))))),
      read: (run, nodes) => answer(Effect.suspend(() => broker.read(state.forgets ? "another" : run, nodes)))
    }))
  ).pipe(Layer.provide(MemoryBroker.layer()))
  const logger = Logger.layer([Logger.make(({ logLevel, message }) => void logged.push(`${logLevel}: ${message}`))])
  return { state, logged, layer: Layer.merge(broker, logger) }
}

const worker = Worker.layer({ tasks: [double] }).pipe(Layer.provide(double.toLayer((n) => Effect.succeed(n * 2))))

const away = "Warn: The store is away, and whoever awaits a run waits until it is back: nobody answers"

describe("Outage", () => {
  it.effect("is waited out by all who await a run, and logged once", () => {
    const { layer, logged, state } = rig()
    return Effect.gen(function* () {
      const runs = yield* Effect.forEach([1, 2, 3], (n) => Client.submit(double, n))
      const awaited = yield* Effect.forkChild(
        Effect.forEach(runs, (run) => run.await, { concurrency: "unbounded" }),
        { startImmediately: true }
      )
      state.isAway = true
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(awaited.pollUnsafe(), undefined)
      assert.deepStrictEqual(logged, [away])
      assert.isBelow(state.asked, 3 * 3_700)
      state.isAway = false
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(logged, [away, "Info: The store is back."])
      yield* Effect.gen(function* () {
        assert.deepStrictEqual(yield* Fiber.join(awaited), [2, 4, 6])
      }).pipe(Effect.provide(worker))
    }).pipe(Effect.scoped, Effect.provide(layer))
  })

  it.effect("can be left, and the next one is logged again", () => {
    const { layer, logged, state } = rig()
    return Effect.gen(function* () {
      const run = yield* Client.submit(double, 1)
      state.isAway = true
      for (let i = 0; i < 2; i++) {
        const outcome = yield* Effect.forkChild(Effect.timeoutOption(Client.outcome(run.id), "10 seconds"))
        yield* TestClock.adjust("10 seconds")
        assert.strictEqual((yield* Fiber.join(outcome))._tag, "None")
      }
      assert.deepStrictEqual(logged, [away, away])
    }).pipe(Effect.provide(layer))
  })

  it.effect("ends with a failure where the run is gone after it", () => {
    const { layer, state } = rig()
    return Effect.gen(function* () {
      const run = yield* Client.submit(double, 1)
      state.isAway = true
      const awaited = yield* Effect.forkChild(Effect.flip(run.await))
      yield* TestClock.adjust("10 seconds")
      state.forgets = true
      state.isAway = false
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* Fiber.join(awaited))._tag, "RunNotFound")
    }).pipe(Effect.provide(layer))
  })
})
