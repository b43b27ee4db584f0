import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import * as Attempt from "@arpeggio/core/Attempt"
import { Broker } from "@arpeggio/core/Broker"
import * as Client from "@arpeggio/core/Client"
import { BrokerUnavailable, LeaseLost, RunError } from "@arpeggio/core/Failure"
import type { StepFailure } from "@arpeggio/core/Failure"
import * as Flow from "@arpeggio/core/Flow"
import * as MemoryBroker from "@arpeggio/core/MemoryBroker"
import * as Task from "@arpeggio/core/Task"
import * as Worker from "@arpeggio/core/Worker"

const Work = Schema.Struct({ n: Schema.Int })

/** A worker with these handlers on a broker of its own. */
const app = <T extends ReadonlyArray<Worker.AnyTask>>(
  tasks: T,
  handlers: Layer.Layer<Worker.HandlersOf<T[number]>>,
  options: Worker.Options & { readonly broker?: MemoryBroker.Options } = {}
) =>
  Worker.layer({ tasks, ...options }).pipe(
    Layer.provide(handlers),
    Layer.provideMerge(MemoryBroker.layer(options.broker))
  )

const stats = Effect.flatMap(Worker.Worker, (worker) => worker.stats)

/** How a run failed, when it was not by a declared error. */
const failureOf = (exit: Exit.Exit<unknown, unknown>): StepFailure => {
  const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
  if (error instanceof RunError) return error.failure
  throw new Error(`expected a RunError, got ${String(error)}`)
}

/** Repeats until it holds; the test's own time limit is the deadline. */
const until = <E, R>(condition: Effect.Effect<boolean, E, R>): Effect.Effect<void, E, R> =>
  Effect.flatMap(condition, (holds) => (holds ? Effect.void : Effect.andThen(Effect.yieldNow, until(condition))))

describe("Worker", () => {
  describe("running a handler", () => {
    it.effect("gives it the decoded input and records the encoded output", () => {
      const task = Task.make("later", { input: Schema.DateFromString, output: Schema.DateFromString })
      const handlers = task.toLayer((date) => Effect.succeed(new Date(date.getTime() + 1_000)))
      return Effect.gen(function* () {
        const later = yield* Client.execute(task, new Date(0))
        assert.deepStrictEqual(later, new Date(1_000))
      }).pipe(Effect.provide(app([task], handlers)))
    })

    it.effect("takes handlers that are async functions", () => {
      const task = Task.make("double", { input: Work, output: Schema.Int })
      const handlers = task.toLayer(async ({ n }) => {
        await Promise.resolve()
        return n * 2
      })
      return Effect.gen(function* () {
        assert.strictEqual(yield* Client.execute(task, { n: 21 }), 42)
      }).pipe(Effect.provide(app([task], handlers)))
    })

    it.effect("tells it about its attempt", () => {
      const seen = Schema.Struct({ node: Schema.String, number: Schema.Int, lost: Schema.Int, key: Schema.String })
      const task = Task.make("look", { input: Schema.Int, output: seen })
      const flow = Flow.make("looks", { input: Schema.Array(Schema.Int) }, (xs) => Flow.forEach(xs, (x) => task(x)))
      const handlers = task.toLayer(() =>
        Effect.map(Attempt.Attempt, ({ idempotencyKey, lost, node, number }) => ({
          node,
          number,
          lost,
          key: idempotencyKey
        }))
      )
      return Effect.gen(function* () {
        const run = yield* Client.submit(flow, [7, 8], { id: "r" })
        const [first, second] = yield* run.await
        assert.match(first!.node, /\[0\]\.look$/)
        assert.match(second!.node, /\[1\]\.look$/)
        assert.deepStrictEqual({ number: first!.number, lost: first!.lost }, { number: 1, lost: 0 })
        assert.strictEqual(first!.key, `r/${first!.node}`)
      }).pipe(Effect.provide(app([task], handlers)))
    })

    it.effect("runs at most as many at once as its concurrency", () => {
      const task = Task.make("wait", { input: Work, output: Schema.Int })
      const flow = Flow.make("waits", { input: Schema.Array(Work) }, (xs) => Flow.forEach(xs, (x) => task(x)))
      let running = 0
      let most = 0
      const handlers = task.toLayer(({ n }) =>
        Effect.gen(function* () {
          most = Math.max(most, ++running)
          yield* Effect.yieldNow
          running--
          return n
        })
      )
      return Effect.gen(function* () {
        const numbers = Array.from({ length: 50 }, (_, n) => ({ n }))
        assert.lengthOf(yield* Client.execute(flow, numbers), 50)
        assert.strictEqual(most, 3)
      }).pipe(Effect.provide(app([task], handlers, { concurrency: 3 })))
    })

    it.effect("splits an array whose elements only a worker can know", () => {
      const half = Task.make("half", { input: Schema.Array(Schema.Int), output: Schema.Array(Schema.Int) })
      const twice = Task.make("twice", { input: Schema.Int, output: Schema.Int })
      // What is split here is a list of many values, and an element of one: no task's report can decide them.
      const flow = Flow.make("halves", { input: Schema.Array(Schema.Array(Schema.Int)) }, (lists) => {
        const halves = Flow.forEach(lists, (list) => half(list))
        return Flow.forEach(halves, (each) => Flow.forEach(each, (x) => twice(x)))
      })
      const handlers = Layer.mergeAll(
        half.toLayer((xs) => Effect.succeed(xs.slice(0, xs.length / 2))),
        twice.toLayer((x) => Effect.succeed(x * 2))
      )
      return Effect.gen(function* () {
        assert.deepStrictEqual(yield* Client.execute(flow, [[1, 2, 3, 4], [], [5, 6]]), [[2, 4], [], [10]])
      }).pipe(Effect.provide(app([half, twice], handlers)))
    })
  })

  describe("when a handler fails", () => {
    it.effect("records a defect with its cause", () => {
      const task = Task.make("broken", { input: Work, output: Schema.Int })
      const handlers = task.toLayer(() => Effect.die(new TypeError("no such thing")))
      return Effect.gen(function* () {
        const failure = failureOf(yield* Effect.exit(Client.execute(task, { n: 1 })))
        assert.strictEqual(failure._tag, "Defect")
        if (failure._tag !== "Defect") return
        assert.strictEqual(failure.summary, "TypeError: no such thing")
        assert.include(failure.cause, "Worker.test.ts")
      }).pipe(Effect.provide(app([task], handlers)))
    })

    it.effect("takes what its task does not declare as a defect, also from an async function", () => {
      const task = Task.make("throws", { input: Work, output: Schema.Int })
      const handlers = task.toLayer(async () => {
        throw new RangeError("too far")
      })
      return Effect.gen(function* () {
        const failure = failureOf(yield* Effect.exit(Client.execute(task, { n: 1 })))
        assert.deepInclude(failure, { _tag: "Defect", summary: "RangeError: too far" })
      }).pipe(Effect.provide(app([task], handlers)))
    })

    it.effect("takes a handler that interrupts itself as a defect", () => {
      const task = Task.make("gives up", { input: Work, output: Schema.Int })
      const handlers = task.toLayer(() => Effect.interrupt)
      return Effect.gen(function* () {
        const failure = failureOf(yield* Effect.exit(Client.execute(task, { n: 1 })))
        assert.deepInclude(failure, {
          _tag: "Defect",
          summary: "it interrupted itself, though nobody had asked it to stop"
        })
      }).pipe(Effect.provide(app([task], handlers)))
    })

    it.effect("does not try again when its output does not fit", () => {
      const task = Task.make("liar", { input: Work, output: Schema.Int, retry: { attempts: 5 } })
      const handlers = task.toLayer(() => Effect.succeed(1.5))
      return Effect.gen(function* () {
        const run = yield* Client.submit(task, { n: 1 })
        const failure = failureOf(yield* Effect.exit(run.await))
        assert.deepInclude(failure, { _tag: "PayloadMismatch", where: "output", task: "liar" })
        assert.strictEqual(
          (yield* run.view).nodes.reduce((sum, node) => sum + node.retries, 0),
          0
        )
      }).pipe(Effect.provide(app([task], handlers)))
    })

    it.effect("fails a node whose input does not fit, with the path, and never calls its handler", () => {
      const measure = Task.make("measure", { input: Work, output: Schema.Struct({ size: Schema.Number }) })
      const whole = Task.make("whole", { input: Schema.Struct({ size: Schema.Int }), output: Schema.Int })
      const flow = Flow.make("measures", { input: Work }, (work) => whole({ size: measure(work).size }))
      let called = false
      const handlers = Layer.mergeAll(
        measure.toLayer(() => Effect.succeed({ size: 0.5 })),
        whole.toLayer(({ size }) => Effect.sync(() => ((called = true), size)))
      )
      return Effect.gen(function* () {
        const failure = failureOf(yield* Effect.exit(Client.execute(flow, { n: 1 })))
        assert.deepInclude(failure, { _tag: "PayloadMismatch", where: "input", task: "whole" })
        if (failure._tag === "PayloadMismatch") assert.include(failure.issue, `["size"]`)
        assert.isFalse(called)
      }).pipe(Effect.provide(app([measure, whole], handlers)))
    })

    it.effect("fails a value that is larger than the broker takes, and goes on with the others", () => {
      const task = Task.make("text", { input: Work, output: Schema.String })
      const flow = Flow.make("texts", { input: Schema.Array(Work) }, (works) =>
        Flow.forEach(works, (work) => Flow.result(task(work)))
      )
      const single = Flow.make("single", { input: Work }, (work) => task(work))
      const handlers = task.toLayer(({ n }) => Effect.succeed("x".repeat(n)))
      return Effect.gen(function* () {
        const large = yield* Client.submit(single, { n: 10_000 })
        const small = yield* Client.submit(flow, [{ n: 1 }, { n: 2 }])
        assert.lengthOf(yield* small.await, 2)
        const failure = failureOf(yield* Effect.exit(large.await))
        assert.deepInclude(failure, { _tag: "PayloadMismatch", where: "output", task: "text" })
      }).pipe(Effect.provide(app([task], handlers, { broker: { payloadLimit: 1_000 } })))
    })
  })

  describe("retries", () => {
    class Busy extends Schema.TaggedError<Busy>()("Busy", {}) {}

    it.effect("come after the back-off of the policy", () => {
      const task = Task.make("busy", {
        input: Work,
        output: Schema.Int,
        error: Busy,
        retry: { attempts: 3, base: "1 second", jitter: false }
      })
      return Effect.gen(function* () {
        const tries = yield* Queue.unbounded<number>()
        const handlers = task.toLayer(() =>
          Effect.gen(function* () {
            const { number } = yield* Attempt.Attempt
            yield* Queue.offer(tries, yield* Clock.currentTimeMillis)
            return number < 3 ? yield* new Busy() : number
          })
        )
        yield* Effect.gen(function* () {
          const run = yield* Client.submit(task, { n: 1 })
          const dueAt = Effect.map(Client.nodes(run.id), ([node]) => node?.dueAt)
          const isDue = Effect.map(dueAt, (due) => due !== undefined)
          assert.strictEqual(yield* Queue.take(tries), 0)
          yield* until(isDue)
          assert.strictEqual(yield* dueAt, 1_000)
          yield* TestClock.adjust("999 millis")
          assert.strictEqual(yield* Queue.size(tries), 0)
          yield* TestClock.adjust("2 seconds")
          // On the moment, and not with the next sweep.
          assert.strictEqual(yield* Queue.take(tries), 1_000)
          yield* until(isDue)
          assert.strictEqual(yield* dueAt, 3_000)
          yield* TestClock.adjust("4 seconds")
          assert.strictEqual(yield* Queue.take(tries), 3_000)
          assert.strictEqual(yield* run.await, 3)
        }).pipe(Effect.provide(app([task], handlers)))
      })
    })

    it.effect("come when the handler asks for, if it does", () => {
      const task = Task.make("patient", { input: Work, output: Schema.Int, retry: { attempts: 2, jitter: false } })
      return Effect.gen(function* () {
        const attempts = yield* Queue.unbounded<number>()
        const handlers = task.toLayer(() =>
          Effect.gen(function* () {
            const { number, retryAfter } = yield* Attempt.Attempt
            yield* Queue.offer(attempts, number)
            return number === 1 ? yield* retryAfter("1 minute") : number
          })
        )
        yield* Effect.gen(function* () {
          const run = yield* Client.submit(task, { n: 1 })
          yield* Queue.take(attempts)
          yield* until(Effect.map(Client.nodes(run.id), ([node]) => node?.dueAt === 60_000))
          yield* TestClock.adjust("2 minutes")
          assert.strictEqual(yield* run.await, 2)
        }).pipe(Effect.provide(app([task], handlers)))
      })
    })
  })

  describe("time-outs", () => {
    it.effect("interrupt the handler, whose finalizers run, and fail the attempt", () => {
      const task = Task.make("slow", { input: Work, output: Schema.Int, timeout: "30 seconds" })
      return Effect.gen(function* () {
        const started = yield* Deferred.make<void>()
        let cleaned = false
        const handlers = task.toLayer(() =>
          Effect.gen(function* () {
            yield* Effect.addFinalizer(() => Effect.sync(() => (cleaned = true)))
            yield* Deferred.succeed(started, undefined)
            return yield* Effect.never
          })
        )
        yield* Effect.gen(function* () {
          const run = yield* Client.submit(task, { n: 1 })
          yield* Deferred.await(started)
          yield* TestClock.adjust("29 seconds")
          assert.strictEqual((yield* run.view).state, "running")
          yield* TestClock.adjust("1 second")
          assert.deepInclude(failureOf(yield* Effect.exit(run.await)), { _tag: "TimedOut", after: 30_000 })
          assert.isTrue(cleaned)
          assert.deepInclude(yield* stats, { running: 0, leaked: 0, failed: 1 })
        }).pipe(Effect.provide(app([task], handlers)))
      })
    })

    it.effect("do not wait for a handler that ignores its interruption, but keep its slot", () => {
      const stubborn = Task.make("stubborn", { input: Work, output: Schema.Int, timeout: "1 second" })
      const other = Task.make("other", { input: Work, output: Schema.Int })
      return Effect.gen(function* () {
        const started = yield* Deferred.make<void>()
        const release = yield* Deferred.make<void>()
        const handlers = Layer.mergeAll(
          stubborn.toLayer(({ n }) =>
            Effect.uninterruptible(
              Effect.as(Effect.andThen(Deferred.succeed(started, undefined), Deferred.await(release)), n)
            )
          ),
          other.toLayer(({ n }) => Effect.succeed(n))
        )
        yield* Effect.gen(function* () {
          const run = yield* Client.submit(stubborn, { n: 1 })
          yield* Deferred.await(started)
          yield* TestClock.adjust("1 second")
          assert.deepInclude(failureOf(yield* Effect.exit(run.await)), { _tag: "TimedOut" })
          assert.deepInclude(yield* stats, { running: 1, leaked: 1 })
          const next = yield* Client.submit(other, { n: 2 })
          yield* TestClock.adjust("10 seconds")
          assert.strictEqual((yield* next.view).nodes[0]!.ready, 1)
          yield* Deferred.succeed(release, undefined)
          assert.strictEqual(yield* next.await, 2)
          assert.deepInclude(yield* stats, { running: 0, leaked: 0 })
        }).pipe(Effect.provide(app([stubborn, other], handlers, { concurrency: 1 })))
      })
    })
  })

  describe("cancelling a run", () => {
    it.effect("interrupts its running handlers, whose finalizers run", () => {
      const task = Task.make("endless", { input: Work, output: Schema.Int })
      return Effect.gen(function* () {
        const started = yield* Deferred.make<void>()
        let cleaned = false
        const handlers = task.toLayer(() =>
          Deferred.succeed(started, undefined).pipe(
            Effect.andThen(Effect.never),
            Effect.onInterrupt(() => Effect.sync(() => (cleaned = true)))
          )
        )
        yield* Effect.gen(function* () {
          const run = yield* Client.submit(task, { n: 1 })
          yield* Deferred.await(started)
          assert.isTrue(yield* run.cancel)
          assert.strictEqual(failureOf(yield* Effect.exit(run.await))._tag, "Cancelled")
          assert.isTrue(cleaned)
          assert.deepInclude(yield* stats, { interrupted: 1, running: 0 })
        }).pipe(Effect.provide(app([task], handlers)))
      })
    })

    it.effect("reaches a worker at once that has no slot free", () => {
      const task = Task.make("endless", { input: Work, output: Schema.Int })
      return Effect.gen(function* () {
        const started = yield* Deferred.make<void>()
        const handlers = task.toLayer(() => Effect.andThen(Deferred.succeed(started, undefined), Effect.never))
        yield* Effect.gen(function* () {
          const run = yield* Client.submit(task, { n: 1 })
          yield* Deferred.await(started)
          yield* run.cancel
          // No time passes here: no poll and no renewal is due.
          assert.strictEqual(failureOf(yield* Effect.exit(run.await))._tag, "Cancelled")
        }).pipe(Effect.provide(app([task], handlers, { concurrency: 1 })))
      })
    })

    it.effect("aborts the signal of async functions", () => {
      const task = Task.make("endless", { input: Work, output: Schema.Int })
      return Effect.gen(function* () {
        const started = yield* Deferred.make<void>()
        const aborted = yield* Deferred.make<void>()
        const handlers = task.toLayer((_, { signal }) => {
          Deferred.doneUnsafe(started, Effect.void)
          signal.addEventListener("abort", () => Deferred.doneUnsafe(aborted, Effect.void))
          return new Promise<number>(() => {})
        })
        yield* Effect.gen(function* () {
          const run = yield* Client.submit(task, { n: 1 })
          yield* Deferred.await(started)
          yield* run.cancel
          yield* Deferred.await(aborted)
          assert.strictEqual(failureOf(yield* Effect.exit(run.await))._tag, "Cancelled")
        }).pipe(Effect.provide(app([task], handlers)))
      })
    })
  })

  describe("stopping", () => {
    const task = Task.make("work", { input: Work, output: Schema.Int })

    /** A worker in a scope of its own, to be closed before the test ends. */
    const startWorker = (handlers: Layer.Layer<Worker.HandlersOf<typeof task>>, options: Worker.Options = {}) =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const layer = Worker.layer({ tasks: [task], ...options }).pipe(Layer.provide(handlers))
        const context = yield* Layer.buildWithScope(Layer.fresh(layer), scope)
        return { worker: Context.get(context, Worker.Worker), stop: Scope.close(scope, Exit.void) }
      })

    it.effect("lets running handlers end and records their outcome", () =>
      Effect.gen(function* () {
        const started = yield* Deferred.make<void>()
        const release = yield* Deferred.make<void>()
        const handlers = task.toLayer(({ n }) =>
          Effect.as(Effect.andThen(Deferred.succeed(started, undefined), Deferred.await(release)), n)
        )
        const { stop, worker } = yield* startWorker(handlers)
        const run = yield* Client.submit(task, { n: 1 })
        yield* Deferred.await(started)
        const stopping = yield* Effect.forkChild(stop)
        yield* TestClock.adjust("10 seconds")
        assert.isUndefined(stopping.pollUnsafe())
        yield* Deferred.succeed(release, undefined)
        yield* Fiber.join(stopping)
        assert.strictEqual(yield* run.await, 1)
        assert.deepInclude(yield* worker.stats, { succeeded: 1, released: 0, running: 0 })
        assert.lengthOf(yield* Client.workers, 0)
      }).pipe(Effect.provide(MemoryBroker.layer()))
    )

    it.effect("interrupts what has not ended in time and gives it back untried, for another worker", () =>
      Effect.gen(function* () {
        const started = yield* Deferred.make<void>()
        let cleaned = false
        const stuck = task.toLayer(() =>
          Deferred.succeed(started, undefined).pipe(
            Effect.andThen(Effect.never),
            Effect.onInterrupt(() => Effect.sync(() => (cleaned = true)))
          )
        )
        const first = yield* startWorker(stuck, { shutdownTimeout: "5 seconds" })
        const run = yield* Client.submit(task, { n: 1 })
        yield* Deferred.await(started)
        const stopping = yield* Effect.forkChild(first.stop)
        yield* TestClock.adjust("5 seconds")
        yield* Fiber.join(stopping)
        assert.isTrue(cleaned)
        assert.deepInclude(yield* first.worker.stats, { released: 1, failed: 0, interrupted: 0 })
        const second = yield* startWorker(
          task.toLayer(() => Effect.map(Attempt.Attempt, (attempt) => attempt.number + attempt.lost))
        )
        assert.strictEqual(yield* run.await, 1)
        yield* second.stop
      }).pipe(Effect.provide(MemoryBroker.layer()))
    )

    it.effect("does not wait for a handler that ignores its interruption", () =>
      Effect.gen(function* () {
        const started = yield* Deferred.make<void>()
        const release = yield* Deferred.make<void>()
        const stubborn = task.toLayer(({ n }) =>
          Effect.uninterruptible(
            Effect.as(Effect.andThen(Deferred.succeed(started, undefined), Deferred.await(release)), n)
          )
        )
        const { stop } = yield* startWorker(stubborn, { shutdownTimeout: "5 seconds" })
        const run = yield* Client.submit(task, { n: 1 })
        yield* Deferred.await(started)
        const stopping = yield* Effect.forkChild(stop)
        yield* TestClock.adjust("1 minute")
        yield* Fiber.join(stopping)
        assert.strictEqual((yield* run.view).nodes[0]!.ready, 1)
        yield* Deferred.succeed(release, undefined)
        assert.strictEqual((yield* run.view).nodes[0]!.ready, 1)
      }).pipe(Effect.provide(MemoryBroker.layer()))
    )
  })

  describe("routing", () => {
    const known = Task.make("known", { input: Work, output: Schema.Int })
    const unknown = Task.make("unknown", { input: Work, output: Schema.Int })

    it.effect("leaves a task without a handler queued, visible as unroutable, until a worker has one", () =>
      Effect.gen(function* () {
        const run = yield* Client.submit(unknown, { n: 1 })
        const other = yield* Client.submit(known, { n: 2 })
        assert.strictEqual(yield* other.await, 2)
        const [node] = yield* Client.nodes(run.id)
        assert.deepInclude(node, { state: "ready", unroutable: true })
        const [queue] = yield* Client.queues
        assert.deepStrictEqual(queue?.unroutable, { unknown: 1 })
        const late = Worker.layer({ tasks: [unknown] }).pipe(
          Layer.provide(unknown.toLayer(({ n }) => Effect.succeed(n)))
        )
        yield* Effect.provide(
          Effect.gen(function* () {
            assert.strictEqual(yield* run.await, 1)
          }),
          late
        )
      }).pipe(
        Effect.provide(
          app(
            [known],
            known.toLayer(({ n }) => Effect.succeed(n))
          )
        )
      )
    )

    it("asks for the handlers of its tasks, so that a missing one does not type-check", () => {
      const some = known.toLayer(({ n }) => Effect.succeed(n))
      const complete: Layer.Layer<Worker.Worker, never, Broker> = Worker.layer({ tasks: [known] }).pipe(
        Layer.provide(some)
      )
      // @ts-expect-error Type 'Handler<"unknown">' is not assignable to type 'Broker'.
      const incomplete: Layer.Layer<Worker.Worker, never, Broker> = Worker.layer({ tasks: [known, unknown] }).pipe(
        Layer.provide(some)
      )
      assert.isTrue(Layer.isLayer(complete) && Layer.isLayer(incomplete))
    })

    it.effect("takes work from its own queues only", () => {
      const gpu = Task.make("gpu", { input: Work, output: Schema.Int, queue: "gpu" })
      const handlers = Layer.mergeAll(
        known.toLayer(({ n }) => Effect.succeed(n)),
        gpu.toLayer(({ n }) => Effect.succeed(n))
      )
      return Effect.gen(function* () {
        const elsewhere = yield* Client.submit(gpu, { n: 1 })
        const here = yield* Client.submit(known, { n: 2 })
        assert.strictEqual(yield* here.await, 2)
        assert.strictEqual((yield* elsewhere.view).nodes[0]!.ready, 1)
      }).pipe(Effect.provide(app([known, gpu], handlers)))
    })

    it.effect("runs all handlers in a context when it is given no tasks", () =>
      Effect.gen(function* () {
        const handlers = yield* Layer.build(known.toLayer(({ n }) => Effect.succeed(n)))
        yield* Effect.gen(function* () {
          assert.strictEqual(yield* Client.execute(known, { n: 3 }), 3)
          assert.deepStrictEqual((yield* Worker.Worker).info.tasks, ["known"])
        }).pipe(Effect.provide(Worker.fromContext(handlers).pipe(Layer.provideMerge(MemoryBroker.layer()))))
      })
    )
  })

  describe("and its broker", () => {
    const task = Task.make("work", { input: Work, output: Schema.Int })

    it.effect("keeps its outcomes while the broker is away, and sends them when it is back", () => {
      let away = false
      const flaky = Layer.effect(
        Broker,
        Effect.map(Broker, (broker) => ({
          ...broker,
          settle: (settle) =>
            Effect.suspend(() =>
              away ? Effect.fail(new BrokerUnavailable({ reason: "it is away" })) : broker.settle(settle)
            )
        }))
      ).pipe(Layer.provide(MemoryBroker.layer()))
      return Effect.gen(function* () {
        const started = yield* Deferred.make<void>()
        const release = yield* Deferred.make<void>()
        const handlers = task.toLayer(({ n }) =>
          Effect.as(Effect.andThen(Deferred.succeed(started, undefined), Deferred.await(release)), n)
        )
        yield* Effect.gen(function* () {
          const run = yield* Client.submit(task, { n: 5 })
          yield* Deferred.await(started)
          away = true
          yield* Deferred.succeed(release, undefined)
          yield* TestClock.adjust("8 seconds")
          assert.strictEqual((yield* run.view).state, "running")
          away = false
          yield* TestClock.adjust("10 seconds")
          assert.strictEqual(yield* run.await, 5)
        }).pipe(
          Effect.provide(Worker.layer({ tasks: [task] }).pipe(Layer.provide(handlers), Layer.provideMerge(flaky)))
        )
      })
    })

    it.effect("names no error by a tag that a store could not tell from what stands behind it", () => {
      class Odd extends Schema.TaggedError<Odd>()("two\nlines", {}) {}
      const odd = Task.make("odd", { input: Work, output: Schema.Int, error: Odd })
      return Effect.gen(function* () {
        const run = yield* Client.submit(odd, { n: 1 })
        assert.instanceOf(yield* Effect.flip(run.await), Odd)
        const [end] = yield* Broker.use((broker) => broker.read(run.id, ["0"]))
        assert.deepNestedInclude(end, { "failed.tag": "", "failed.declared": true })
      }).pipe(
        Effect.provide(
          Worker.layer({ tasks: [odd] }).pipe(
            Layer.provide(odd.toLayer(() => Effect.fail(new Odd()))),
            Layer.provideMerge(MemoryBroker.layer())
          )
        )
      )
    })

    it.effect("sends outcomes together while they are short, and each by itself where they are long", () => {
      const sent: Array<ReadonlyArray<number>> = []
      const long = Task.make("long", { input: Work, output: Schema.String })
      const recording = Layer.effect(
        Broker,
        Effect.map(Broker, (broker) => ({
          ...broker,
          settle: (settle) => {
            const lengths = settle.settlements.map(({ outcome }) =>
              outcome._tag === "Succeeded" ? outcome.value!.length : 0
            )
            if (lengths.length > 0) sent.push(lengths)
            return broker.settle(settle)
          }
        }))
      ).pipe(Layer.provide(MemoryBroker.layer()))
      return Effect.gen(function* () {
        const release = yield* Deferred.make<void>()
        const handlers = long.toLayer(({ n }) => Effect.as(Deferred.await(release), "x".repeat(n)))
        yield* Effect.gen(function* () {
          const lengths = [700_000, 700_000, 400_000, 2_000_000, 10, 10, 10]
          const runs = yield* Effect.forEach(lengths, (n) => Client.submit(long, { n }))
          yield* TestClock.adjust("2 seconds")
          yield* Deferred.succeed(release, undefined)
          yield* Effect.forEach(runs, (run) => run.await)
        }).pipe(
          Effect.provide(
            Worker.layer({ tasks: [long], concurrency: 10 }).pipe(
              Layer.provide(handlers),
              Layer.provideMerge(recording)
            )
          )
        )
        const isShort = (lengths: ReadonlyArray<number>) => lengths.reduce((sum, n) => sum + n, 0) <= 1_048_576
        assert.deepStrictEqual(
          sent.filter((lengths) => !isShort(lengths)),
          [[2_000_002]]
        )
        assert.isBelow(sent.length, 7)
      })
    })

    it.effect("asks an idle broker at its poll interval only", () => {
      let asked = 0
      const counting = Layer.effect(
        Broker,
        Effect.map(Broker, (broker) => ({
          ...broker,
          settle: (settle) => Effect.suspend(() => (asked++, broker.settle(settle)))
        }))
      ).pipe(Layer.provide(MemoryBroker.layer()))
      return Effect.gen(function* () {
        yield* TestClock.adjust("1 second")
        asked = 0
        yield* TestClock.adjust("100 seconds")
        assert.isAtLeast(asked, 90)
        assert.isAtMost(asked, 210)
      }).pipe(
        Effect.provide(
          Worker.layer({ tasks: [task], pollInterval: "1 second" }).pipe(
            Layer.provide(task.toLayer(({ n }) => Effect.succeed(n))),
            Layer.provideMerge(counting)
          )
        )
      )
    })

    it.effect("survives a broker that dies on it", () => {
      let deaths = 2
      const dying = Layer.effect(
        Broker,
        Effect.map(Broker, (broker) => ({
          ...broker,
          settle: (settle) =>
            Effect.suspend(() =>
              deaths-- > 0 ? Effect.die(new Error("a fault of the broker")) : broker.settle(settle)
            )
        }))
      ).pipe(Layer.provide(MemoryBroker.layer()))
      return Effect.gen(function* () {
        const run = yield* Client.submit(task, { n: 5 })
        yield* TestClock.adjust("10 seconds")
        assert.strictEqual(yield* run.await, 5)
      }).pipe(
        Effect.provide(
          Worker.layer({ tasks: [task] }).pipe(
            Layer.provide(task.toLayer(({ n }) => Effect.succeed(n))),
            Layer.provideMerge(dying)
          )
        )
      )
    })

    it.effect("brings all other outcomes where the broker refuses one, and takes on more", () => {
      let refuses = true
      const picky = Layer.effect(
        Broker,
        Effect.map(Broker, (broker) => ({
          ...broker,
          settle: (settle) =>
            Effect.suspend(() =>
              refuses &&
              settle.settlements.some(({ outcome }) => outcome._tag === "Succeeded" && outcome.value === "13")
                ? Effect.die(new Error("it does not like 13"))
                : broker.settle(settle)
            )
        }))
      ).pipe(Layer.provide(MemoryBroker.layer()))
      return Effect.gen(function* () {
        const numbers = Array.from({ length: 60 }, (_, n) => n)
        const runs = yield* Effect.forEach(numbers, (n) => Client.submit(task, { n }))
        const states = Effect.forEach(runs, (run) => Effect.map(run.view, ({ state }) => state))
        yield* TestClock.adjust("30 seconds")
        assert.deepStrictEqual(
          (yield* states).flatMap((state, n) => (state === "running" ? [n] : [])),
          [13]
        )
        refuses = false
        yield* TestClock.adjust("30 seconds")
        assert.strictEqual(yield* runs[13]!.await, 13)
      }).pipe(
        Effect.provide(
          Worker.layer({ tasks: [task], concurrency: 20 }).pipe(
            Layer.provide(task.toLayer(({ n }) => Effect.succeed(n))),
            Layer.provideMerge(picky)
          )
        )
      )
    })

    it.effect("stops what the broker has given to another worker, drops its outcome, and registers again", () =>
      Effect.gen(function* () {
        const attempts = yield* Queue.unbounded<number>()
        let interrupted = 0
        const handlers = task.toLayer(({ n }) =>
          Effect.gen(function* () {
            yield* Queue.offer(attempts, n)
            return yield* Effect.onInterrupt(Effect.never, () => Effect.sync(() => interrupted++))
          })
        )
        yield* Effect.gen(function* () {
          const broker = yield* Broker
          const { info } = yield* Worker.Worker
          const run = yield* Client.submit(task, { n: 5 })
          assert.strictEqual(yield* Queue.take(attempts), 5)
          // As after a stall longer than the lease: somebody swept the worker away.
          yield* broker.unregister(info.id)
          yield* TestClock.adjust("10 seconds")
          assert.strictEqual(yield* Queue.take(attempts), 5)
          assert.strictEqual(interrupted, 1)
          assert.lengthOf(yield* Client.workers, 1)
          assert.deepInclude(yield* Effect.flatMap(Worker.Worker, (worker) => worker.stats), {
            lost: 1,
            stale: 0,
            running: 1
          })
          yield* run.cancel
          assert.strictEqual(failureOf(yield* Effect.exit(run.await))._tag, "Cancelled")
        }).pipe(Effect.provide(app([task], handlers)))
      })
    )

    it.effect("stops what it holds as soon as any answer says that the broker has forgotten it", () =>
      Effect.gen(function* () {
        const started = yield* Queue.unbounded<number>()
        let interrupted = 0
        const handlers = task.toLayer(({ n }) =>
          Effect.andThen(
            Queue.offer(started, n),
            Effect.onInterrupt(Effect.never, () => Effect.sync(() => interrupted++))
          )
        )
        yield* Effect.gen(function* () {
          const broker = yield* Broker
          const { info } = yield* Worker.Worker
          const run = yield* Client.submit(task, { n: 5 })
          yield* Queue.take(started)
          yield* broker.unregister(info.id)
          // It asks for work before it renews.
          yield* TestClock.adjust("3 seconds")
          assert.strictEqual(interrupted, 1)
          assert.strictEqual(yield* Queue.take(started), 5)
          yield* run.cancel
          assert.strictEqual(failureOf(yield* Effect.exit(run.await))._tag, "Cancelled")
        }).pipe(Effect.provide(app([task], handlers, { shutdownTimeout: 0 })))
      })
    )

    it.effect("stops what a renewal says that it does not hold any more", () =>
      Effect.gen(function* () {
        const started = yield* Queue.unbounded<number>()
        let interrupted = 0
        const handlers = task.toLayer(({ n }) =>
          Effect.andThen(
            Queue.offer(started, n),
            Effect.onInterrupt(Effect.never, () => Effect.sync(() => interrupted++))
          )
        )
        yield* Effect.gen(function* () {
          const broker = yield* Broker
          const { info } = yield* Worker.Worker
          const run = yield* Client.submit(task, { n: 5 })
          yield* Queue.take(started)
          // Known all the time it asks, so that only a renewal can tell.
          yield* Effect.andThen(broker.unregister(info.id), broker.register(info))
          yield* TestClock.adjust("11 seconds")
          assert.strictEqual(interrupted, 1)
          assert.strictEqual(yield* Queue.take(started), 5)
          yield* run.cancel
          assert.strictEqual(failureOf(yield* Effect.exit(run.await))._tag, "Cancelled")
        }).pipe(Effect.provide(app([task], handlers, { shutdownTimeout: 0 })))
      })
    )

    it.effect("renews its lease while its handlers run longer", () =>
      Effect.gen(function* () {
        const started = yield* Queue.unbounded<number>()
        const handlers = task.toLayer(({ n }) =>
          Effect.gen(function* () {
            yield* Queue.offer(started, n)
            yield* Effect.sleep("5 minutes")
            return (yield* Attempt.Attempt).lost
          })
        )
        yield* Effect.gen(function* () {
          const run = yield* Client.submit(task, { n: 1 })
          yield* Queue.take(started)
          for (let minute = 0; minute < 30; minute++) yield* TestClock.adjust("10 seconds")
          assert.strictEqual(yield* run.await, 0)
          assert.strictEqual(yield* Queue.size(started), 0)
        }).pipe(Effect.provide(app([task], handlers)))
      })
    )
  })

  describe("and its lease", () => {
    const task = Task.make("work", { input: Work, output: Schema.Int })
    const lease = 10_000

    /** A broker that only the loop's own renewals keep a lease of, and whose calls can be held up. */
    const network = (heartbeat: () => number = () => Infinity) => {
      const state = {
        isAway: false,
        reply: Effect.void as Effect.Effect<void>,
        renewed: Effect.void as Effect.Effect<void>
      }
      const answer = <A, E>(call: Effect.Effect<A, E>) =>
        Effect.suspend((): Effect.Effect<A, E | BrokerUnavailable> =>
          state.isAway ? Effect.fail(new BrokerUnavailable({ reason: "it is away" })) : call
        )
      const broker = Layer.effect(
        Broker,
        Effect.map(Broker, (broker) => ({
          ...broker,
          heartbeat: () => Effect.succeed({ beat: () => {}, sinceRenewal: heartbeat }),
          register: (worker) => answer(broker.register(worker)),
          renew: (worker, holding) => answer(Effect.tap(broker.renew(worker, holding), () => state.renewed)),
          release: (worker, claims) => answer(broker.release(worker, claims)),
          settle: (settle) =>
            answer(
              Effect.tap(broker.settle(settle), ({ deliveries }) => (deliveries.length > 0 ? state.reply : Effect.void))
            )
        }))
      ).pipe(Layer.provide(MemoryBroker.layer({ lease })))
      return { state, broker }
    }

    /** The broker is back, and the worker knows it: it could not stop in time otherwise, for the clock stands still. */
    const heal = (state: { isAway: boolean }) =>
      Effect.suspend(() => {
        state.isAway = false
        return TestClock.adjust("10 seconds")
      })

    const on =
      (
        { broker, state }: { readonly broker: Layer.Layer<Broker>; readonly state: { isAway: boolean } },
        handlers: Layer.Layer<Worker.HandlersOf<typeof task>>,
        options: Worker.Options = {}
      ) =>
      <A, E, R>(test: Effect.Effect<A, E, R>) =>
        Effect.provide(
          Effect.ensuring(test, heal(state)),
          Worker.layer({ tasks: [task], sweep: false, shutdownTimeout: 0, ...options }).pipe(
            Layer.provide(handlers),
            Layer.provideMerge(broker)
          )
        )

    const untilAfter = (renewal: number) => renewal + lease * 0.9

    it.effect("interrupts its handlers before the lease can be over, says why, and reports nothing of them", () => {
      const { broker, state } = network()
      return Effect.gen(function* () {
        const started = yield* Queue.unbounded<{ readonly number: number; readonly lost: number }>()
        const stopped = yield* Deferred.make<{ readonly at: number; readonly reason: unknown }>()
        const handlers = task.toLayer(({ n }) =>
          Effect.gen(function* () {
            const attempt = yield* Attempt.Attempt
            yield* Queue.offer(started, attempt)
            if (yield* Deferred.isDone(stopped)) return n
            return yield* Effect.onInterrupt(Effect.never, () =>
              Effect.flatMap(Clock.currentTimeMillis, (at) =>
                Deferred.succeed(stopped, { at, reason: attempt.signal.reason })
              )
            )
          })
        )
        yield* Effect.gen(function* () {
          const run = yield* Client.submit(task, { n: 1 })
          yield* Queue.take(started)
          state.isAway = true
          yield* TestClock.adjust(untilAfter(0) - 1)
          assert.isFalse(yield* Deferred.isDone(stopped))
          yield* TestClock.adjust(lease)
          const { at, reason } = yield* Deferred.await(stopped)
          assert.strictEqual(at, untilAfter(0))
          assert.instanceOf(reason, LeaseLost)
          assert.deepInclude(reason, { run: run.id, node: "work", attempt: 1 })
          assert.deepInclude(yield* stats, { lost: 1, failed: 0, interrupted: 0, running: 0 })
          yield* heal(state)
          assert.strictEqual(yield* run.await, 1)
          assert.deepInclude(yield* Queue.take(started), { number: 1, lost: 0 })
          assert.deepInclude(yield* stats, { lost: 1, failed: 0, stale: 0 })
        }).pipe(on({ broker, state }, handlers))
      })
    })

    it.effect("counts a renewal from when it was sent, however late its answer comes", () => {
      const { broker, state } = network()
      return Effect.gen(function* () {
        const started = yield* Deferred.make<void>()
        const stopped = yield* Deferred.make<number>()
        const sent = yield* Deferred.make<number>()
        const handlers = task.toLayer(({ n }) =>
          Effect.gen(function* () {
            if (yield* Deferred.isDone(stopped)) return n
            yield* Deferred.succeed(started, undefined)
            return yield* Effect.onInterrupt(Effect.never, () =>
              Effect.flatMap(Clock.currentTimeMillis, (at) => Deferred.succeed(stopped, at))
            )
          })
        )
        state.renewed = Effect.gen(function* () {
          state.isAway = true
          yield* Deferred.succeed(sent, yield* Clock.currentTimeMillis)
          yield* Effect.sleep("4 seconds")
        })
        yield* Effect.gen(function* () {
          yield* Client.submit(task, { n: 1 })
          yield* Deferred.await(started)
          yield* TestClock.adjust(2 * lease)
          state.renewed = Effect.void
          // The clock adds up fractions of milliseconds in another order.
          assert.approximately(yield* Deferred.await(stopped), untilAfter(yield* Deferred.await(sent)), 0.001)
        }).pipe(on({ broker, state }, handlers))
      })
    })

    it.effect("aborts the signal of async functions with the same reason", () => {
      const { broker, state } = network()
      return Effect.gen(function* () {
        const started = yield* Deferred.make<AbortSignal>()
        const handlers = task.toLayer(
          (_, { signal }) =>
            new Promise<number>((_, reject) => {
              Effect.runSync(Deferred.succeed(started, signal))
              signal.addEventListener("abort", () => reject(signal.reason))
            })
        )
        yield* Effect.gen(function* () {
          yield* Client.submit(task, { n: 1 })
          const signal = yield* Deferred.await(started)
          state.isAway = true
          yield* TestClock.adjust(untilAfter(0) - 1)
          assert.isFalse(signal.aborted)
          yield* TestClock.adjust(1)
          assert.instanceOf(signal.reason, LeaseLost)
          assert.deepInclude(yield* stats, { lost: 1, failed: 0, running: 0 })
        }).pipe(on({ broker, state }, handlers))
      })
    })

    it.effect("does not start what it learns of when the lease may be over, and gives it back", () => {
      const { broker, state } = network()
      return Effect.gen(function* () {
        const late = yield* Deferred.make<void>()
        state.reply = Deferred.await(late)
        const starts: Array<number> = []
        const handlers = task.toLayer(({ n }) =>
          Effect.map(Clock.currentTimeMillis, (now) => {
            starts.push(now)
            return n
          })
        )
        yield* Effect.gen(function* () {
          const run = yield* Client.submit(task, { n: 1 })
          yield* TestClock.adjust(untilAfter(0) + 500)
          yield* Deferred.succeed(late, undefined)
          yield* until(Effect.map(stats, ({ lost, succeeded }) => lost + succeeded === 1))
          assert.deepInclude(yield* stats, { lost: 1, succeeded: 0 })
          yield* TestClock.adjust("2 seconds")
          assert.strictEqual(yield* run.await, 1)
          assert.lengthOf(starts, 1)
        }).pipe(on({ broker, state }, handlers))
      })
    })

    it.effect("reports an outcome that was there before, for the broker to judge", () => {
      const { broker, state } = network()
      return Effect.gen(function* () {
        const started = yield* Deferred.make<void>()
        const release = yield* Deferred.make<void>()
        let calls = 0
        const handlers = task.toLayer(({ n }) =>
          Effect.gen(function* () {
            calls++
            yield* Deferred.succeed(started, undefined)
            yield* Deferred.await(release)
            return n
          })
        )
        yield* Effect.gen(function* () {
          const run = yield* Client.submit(task, { n: 1 })
          yield* Deferred.await(started)
          state.isAway = true
          yield* Deferred.succeed(release, undefined)
          yield* TestClock.adjust(5 * lease)
          yield* heal(state)
          assert.strictEqual(yield* run.await, 1)
          assert.strictEqual(calls, 1)
          assert.deepInclude(yield* stats, { lost: 0, stale: 0, succeeded: 1 })
        }).pipe(on({ broker, state }, handlers))
      })
    })

    it.effect("lets its handlers run while only the heartbeat keeps the lease", () => {
      let since = 0
      const { broker, state } = network(() => since)
      return Effect.gen(function* () {
        const started = yield* Deferred.make<void>()
        const handlers = task.toLayer(() => Effect.andThen(Deferred.succeed(started, undefined), Effect.never))
        yield* Effect.gen(function* () {
          yield* Client.submit(task, { n: 1 })
          yield* Deferred.await(started)
          state.isAway = true
          yield* TestClock.adjust(5 * lease)
          assert.deepInclude(yield* stats, { lost: 0, running: 1 })
          since = untilAfter(0)
          yield* TestClock.adjust("1 second")
          assert.deepInclude(yield* stats, { lost: 1, running: 0 })
        }).pipe(on({ broker, state }, handlers))
      })
    })

    it.effect("is kept for it by the memory broker, whatever holds up the loop", () => {
      const state = { isAway: true }
      const away = Effect.fail(new BrokerUnavailable({ reason: "it is away" }))
      const held = Layer.effect(
        Broker,
        Effect.map(Broker, (broker) => ({
          ...broker,
          renew: (worker, holding) => Effect.suspend(() => (state.isAway ? away : broker.renew(worker, holding)))
        }))
      ).pipe(Layer.provide(MemoryBroker.layer({ lease })))
      return Effect.gen(function* () {
        const started = yield* Deferred.make<void>()
        const handlers = task.toLayer(({ n }) =>
          Effect.as(Effect.andThen(Deferred.succeed(started, undefined), Effect.never), n)
        )
        yield* Effect.gen(function* () {
          yield* Client.submit(task, { n: 1 })
          yield* Deferred.await(started)
          yield* TestClock.adjust(5 * lease)
          assert.lengthOf(yield* Client.workers, 1)
          assert.deepInclude(yield* stats, { claimed: 1, lost: 0, running: 1 })
        }).pipe(on({ broker: held, state }, handlers, { sweep: true }))
      })
    })
  })

  it.effect("says how much it has done, and how busy its slots were", () => {
    const task = Task.make("sleep", { input: Work, output: Schema.Int })
    return Effect.gen(function* () {
      const started = yield* Deferred.make<void>()
      const handlers = task.toLayer(({ n }) =>
        Effect.as(Effect.andThen(Deferred.succeed(started, undefined), Effect.sleep("8 seconds")), n)
      )
      yield* Effect.gen(function* () {
        const run = yield* Client.submit(task, { n: 1 })
        yield* Deferred.await(started)
        yield* TestClock.adjust("4 seconds")
        assert.deepInclude(yield* stats, {
          claimed: 1,
          succeeded: 0,
          running: 1,
          elapsed: 4_000,
          busy: 4_000,
          utilization: 0.5
        })
        yield* TestClock.adjust("4 seconds")
        yield* run.await
        assert.deepInclude(yield* stats, { claimed: 1, succeeded: 1, running: 0, busy: 8_000, utilization: 0.5 })
      }).pipe(Effect.provide(app([task], handlers, { concurrency: 2 })))
    })
  })
})
