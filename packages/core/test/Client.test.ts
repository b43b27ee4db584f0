import { assert, describe, it } from "@effect/vitest"
import { Broker } from "@arpeggio/core/Broker"
import type { Event } from "@arpeggio/core/Broker"
import * as Client from "@arpeggio/core/Client"
import {
  DuplicateRun,
  InvalidInput,
  InvalidPlan,
  InvalidRunId,
  NodeNotFound,
  RunError,
  RunNotEnded,
  RunNotFound
} from "@arpeggio/core/Failure"
import * as Flow from "@arpeggio/core/Flow"
import * as Plan from "@arpeggio/core/Plan"
import * as MemoryBroker from "@arpeggio/core/MemoryBroker"
import * as Task from "@arpeggio/core/Task"
import * as Worker from "@arpeggio/core/Worker"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"

class NotFound extends Schema.TaggedError<NotFound>()("NotFound", { url: Schema.String, at: Schema.DateFromString }) {}
class Corrupt extends Schema.TaggedError<Corrupt>()("Corrupt", {}) {}

const fetchText = Task.make("fetch", {
  input: Schema.Struct({ url: Schema.String }),
  output: Schema.String,
  error: Schema.Union([NotFound, Corrupt])
})
const count = Task.make("count", { input: Schema.Struct({ text: Schema.String }), output: Schema.Int })

const countWords = Flow.make("words", { input: Schema.Struct({ url: Schema.String }) }, ({ url }) =>
  count({ text: fetchText({ url }) })
)
const countAll = Flow.make("words.all", { input: Schema.Struct({ urls: Schema.Array(Schema.String) }) }, ({ urls }) =>
  Flow.forEach(urls, (url) => count({ text: fetchText({ url }) }))
)

/** What the handlers have been asked for, in order. */
const calls: Array<string> = []
let missing = new Set<string>()

const handlers = Layer.mergeAll(
  fetchText.toLayer(({ url }) =>
    Effect.gen(function* () {
      calls.push(url)
      if (missing.has(url)) return yield* new NotFound({ url, at: new Date(0) })
      return `the text of ${url}`
    })
  ),
  count.toLayer(({ text }) =>
    Effect.sync(() => {
      calls.push("count")
      return text.split(" ").length
    })
  )
)
const layer = Layer.suspend(() => {
  calls.length = 0
  missing = new Set(["nowhere"])
  return Worker.layer({ tasks: [fetchText, count] }).pipe(
    Layer.provide(handlers),
    Layer.provideMerge(MemoryBroker.layer())
  )
})
/** A broker without a worker: what is submitted stays as it is. */
const quiet = Layer.suspend(() => MemoryBroker.layer())

describe("Client", () => {
  describe("awaiting a run", () => {
    it.effect("gives the decoded value of its flow", () =>
      Effect.gen(function* () {
        const run = yield* Client.submit(countWords, { url: "somewhere" })
        const words: number = yield* run.await
        assert.strictEqual(words, 4)
      }).pipe(Effect.provide(layer))
    )

    it.effect("fails with the declared error, as the class it was", () =>
      Effect.gen(function* () {
        const run = yield* Client.submit(countWords, { url: "nowhere" })
        const error = yield* Effect.flip(run.await)
        assert.instanceOf(error, NotFound)
        if (error._tag === "NotFound") assert.deepStrictEqual([error.url, error.at], ["nowhere", new Date(0)])
        const caught = yield* run.await.pipe(
          Effect.catchTag("NotFound", ({ url }) => Effect.succeed(url)),
          Effect.catchTag("Corrupt", () => Effect.succeed("corrupt"))
        )
        assert.strictEqual(caught, "nowhere")
      }).pipe(Effect.provide(layer))
    )

    it.effect("fails with the declared error of one element, which names its node", () =>
      Effect.gen(function* () {
        const run = yield* Client.submit(countAll, { urls: ["here", "nowhere"] })
        assert.instanceOf(yield* Effect.flip(run.await), NotFound)
        const outcome = yield* Client.outcome(run.id)
        assert.strictEqual(outcome._tag, "Failed")
        if (outcome._tag !== "Failed") return
        assert.deepInclude(outcome, { task: "fetch", attempt: 1 })
        assert.match(outcome.node, /\[1\]\.fetch$/)
      }).pipe(Effect.provide(layer))
    )

    it.effect("fails with a RunError that says which node failed and how, where no error was declared", () => {
      const broken = Task.make("broken", { input: Schema.Int, output: Schema.Int })
      const flow = Flow.make("breaks", { input: Schema.Int }, (n) => broken(n))
      const worker = Worker.layer({ tasks: [broken] }).pipe(Layer.provide(broken.toLayer(() => Effect.die("no"))))
      return Effect.gen(function* () {
        const error = yield* Effect.flip(Client.execute(flow, 1))
        assert.instanceOf(error, RunError)
        if (error._tag !== "RunError") return
        assert.deepInclude(error, { node: "broken", attempt: 1 })
        assert.strictEqual(error.failure._tag, "Defect")
        assert.include(error.message, "failed at broken, attempt 1: The handler died: no")
      }).pipe(Effect.provide(Layer.provideMerge(worker, MemoryBroker.layer())))
    })

    it.effect("reads the values of a forEach over the input in the order of its elements", () =>
      Effect.gen(function* () {
        const urls = Array.from({ length: 30 }, (_, i) => Array.from({ length: i + 1 }, () => "w").join(" "))
        const words = yield* Client.execute(countAll, { urls })
        assert.deepStrictEqual(
          words,
          urls.map((_, i) => i + 4)
        )
        assert.deepStrictEqual(yield* Client.execute(countAll, { urls: [] }), [])
      }).pipe(Effect.provide(layer))
    )

    it.effect("works for a task on its own", () =>
      Effect.gen(function* () {
        assert.strictEqual(yield* Client.execute(count, { text: "a b" }), 2)
      }).pipe(Effect.provide(layer))
    )

    it.effect("fails when there is no such run", () =>
      Effect.gen(function* () {
        const run = yield* Client.attach(countWords, "nobody")
        assert.instanceOf(yield* Effect.flip(run.await), RunNotFound)
        assert.instanceOf(yield* Effect.flip(Client.outcome("nobody")), RunNotFound)
      }).pipe(Effect.provide(quiet))
    )

    it.effect("goes on from a handle made elsewhere", () =>
      Effect.gen(function* () {
        yield* Client.submit(countWords, { url: "somewhere" }, { id: "mine" })
        const run = yield* Client.attach(countWords, "mine")
        assert.strictEqual(yield* run.await, 4)
        assert.deepStrictEqual(yield* Client.outcome("mine"), { _tag: "Succeeded", value: 4 })
      }).pipe(Effect.provide(layer))
    )
  })

  describe("submitting", () => {
    it.effect("the same again joins the run that is there", () =>
      Effect.gen(function* () {
        const first = yield* Client.submit(countWords, { url: "a" }, { id: "once" })
        yield* first.await
        const second = yield* Client.submit(countWords, { url: "a" }, { id: "once" })
        assert.strictEqual(yield* second.await, 4)
        assert.deepStrictEqual(calls, ["a", "count"])
        assert.lengthOf(yield* Client.runs(), 1)
      }).pipe(Effect.provide(layer))
    )

    it.effect("something else under the same id is refused", () =>
      Effect.gen(function* () {
        yield* Client.submit(countWords, { url: "a" }, { id: "once" })
        const error = yield* Effect.flip(Client.submit(countWords, { url: "b" }, { id: "once" }))
        assert.deepInclude(error, { _tag: "DuplicateRun", run: "once" })
        assert.instanceOf(error, DuplicateRun)
      }).pipe(Effect.provide(quiet))
    )

    it.effect("an id that no run can have is refused, and told why", () =>
      Effect.gen(function* () {
        for (const id of ["", "a\tb", "a\nb", "x".repeat(201), "\ud800"]) {
          const error = yield* Effect.flip(Client.submit(countWords, { url: "a" }, { id }))
          assert.deepInclude(error, { _tag: "InvalidRunId", id })
          assert.instanceOf(error, InvalidRunId)
          assert.isBelow(error.message.length, 250)
        }
        assert.lengthOf(yield* Client.runs(), 0)
        for (const id of [" ", "x".repeat(200), "a,b|c#d/\u{1f3b5}"])
          yield* Client.submit(countWords, { url: "a" }, { id })
      }).pipe(Effect.provide(quiet))
    )

    it.effect("a delay that is over, or ends within a millisecond, is none; one without an end is refused", () =>
      Effect.gen(function* () {
        const submissions: Array<number> = []
        const broker = yield* Broker
        const recording = Broker.of({
          ...broker,
          submit: (submission) => {
            submissions.push(submission.delay)
            return broker.submit(submission)
          }
        })
        const submit = (delay: number) =>
          Effect.provideService(Client.submit(countWords, { url: "a" }, { delay }), Broker, recording)
        for (const delay of [-5, 0.4, 1.6]) yield* submit(delay)
        const error = yield* Effect.flip(submit(Infinity))
        assert.instanceOf(error, InvalidPlan)
        assert.include(error.message, "`delay` is endless")
        assert.deepStrictEqual(submissions, [0, 0, 2])
      }).pipe(Effect.provide(quiet))
    )

    it.effect("an input that does not fit is refused with the path", () =>
      Effect.gen(function* () {
        const wrong = { urls: ["a", 7] } as unknown as { readonly urls: ReadonlyArray<string> }
        const error = yield* Effect.flip(Client.submit(countAll, wrong))
        assert.instanceOf(error, InvalidInput)
        assert.include(error.message, `["urls"][1]`)
        assert.lengthOf(yield* Client.runs(), 0)
      }).pipe(Effect.provide(quiet))
    )

    it.effect("a flow that can't be compiled is refused with its problems", () =>
      Effect.gen(function* () {
        const unused = Flow.make("unused", { input: Schema.Struct({ url: Schema.String }) }, ({ url }) => {
          fetchText({ url })
          return count({ text: url })
        })
        assert.instanceOf(yield* Effect.flip(Client.submit(unused, { url: "a" })), InvalidPlan)
      }).pipe(Effect.provide(quiet))
    )

    it.effect("gives ids that sort by the time of submission", () =>
      Effect.gen(function* () {
        const ids: Array<string> = []
        for (let i = 0; i < 50; i++) ids.push((yield* Client.submit(count, { text: "" })).id)
        assert.deepStrictEqual([...ids].sort(), ids)
        assert.match(ids[0]!, /^[0-9A-HJKMNP-TV-Z]{26}$/)
      }).pipe(Effect.provide(quiet))
    )

    it.effect("with a delay starts the run that much later", () =>
      Effect.gen(function* () {
        const run = yield* Client.submit(countWords, { url: "a" }, { delay: "1 minute" })
        yield* TestClock.adjust("59 seconds")
        assert.lengthOf(calls, 0)
        yield* TestClock.adjust("3 seconds")
        assert.strictEqual(yield* run.await, 4)
      }).pipe(Effect.provide(layer))
    )
  })

  describe("retrying a run", () => {
    it.effect("keeps what succeeded and runs again what failed, with what depends on it", () =>
      Effect.gen(function* () {
        const run = yield* Client.submit(countAll, { urls: ["a", "nowhere"] }, { onFailure: "finish" })
        assert.instanceOf(yield* Effect.flip(run.await), NotFound)
        assert.sameMembers(calls, ["a", "nowhere", "count"])
        calls.length = 0
        missing.clear()
        assert.deepStrictEqual(yield* run.retry(), { generation: 2 })
        assert.deepStrictEqual(yield* run.await, [4, 4])
        assert.deepStrictEqual(calls, ["nowhere", "count"])
      }).pipe(Effect.provide(layer))
    )

    it.effect("from a node runs that node again and what depends on it", () =>
      Effect.gen(function* () {
        const run = yield* Client.submit(countWords, { url: "a" })
        yield* run.await
        calls.length = 0
        yield* run.retry({ from: "count" })
        assert.strictEqual(yield* run.await, 4)
        assert.deepStrictEqual(calls, ["count"])
      }).pipe(Effect.provide(layer))
    )

    it.effect("from a node that the run has not fails, and nothing happens", () =>
      Effect.gen(function* () {
        const run = yield* Client.submit(countAll, { urls: ["a"] })
        yield* run.await
        for (const from of ["nobody", "999"]) {
          assert.instanceOf(yield* Effect.flip(run.retry({ from })), NodeNotFound)
        }
        assert.strictEqual((yield* run.view).generation, 1)
      }).pipe(Effect.provide(layer))
    )

    it.effect("before its value was read makes who awaits it wait for the new one", () => {
      // The value of a node comes with the end of the run; a list is read from its members.
      const listed = Flow.make("listed", { input: Schema.Struct({ url: Schema.String }) }, ({ url }) =>
        Flow.all([count({ text: fetchText({ url }) })])
      )
      let reads = 0
      const retried = Layer.effect(
        Broker,
        Effect.map(Broker, (broker) => ({
          ...broker,
          read: (run, addresses) =>
            Effect.suspend(() =>
              reads++ === 0
                ? Effect.andThen(Effect.orDie(broker.retry(run, addresses[0])), broker.read(run, addresses))
                : broker.read(run, addresses)
            )
        }))
      ).pipe(Layer.provide(MemoryBroker.layer()))
      return Effect.gen(function* () {
        calls.length = 0
        const run = yield* Client.submit(listed, { url: "a" })
        assert.deepStrictEqual(yield* run.await, [4])
        assert.deepStrictEqual(calls, ["a", "count", "count"])
      }).pipe(
        Effect.provide(
          Worker.layer({ tasks: [fetchText, count] }).pipe(Layer.provide(handlers), Layer.provideMerge(retried))
        )
      )
    })

    it.effect("that has not ended fails", () =>
      Effect.gen(function* () {
        const run = yield* Client.submit(countWords, { url: "a" })
        assert.instanceOf(yield* Effect.flip(Client.retry(run.id)), RunNotEnded)
      }).pipe(Effect.provide(quiet))
    )
  })

  describe("cancelling", () => {
    it.effect("ends a run as cancelled, and says so when it had ended", () =>
      Effect.gen(function* () {
        const run = yield* Client.submit(countWords, { url: "a" })
        assert.isTrue(yield* Client.cancel(run.id))
        const error = yield* Effect.flip(run.await)
        assert.deepInclude(error, { _tag: "RunError", node: undefined })
        assert.deepStrictEqual(yield* Client.outcome(run.id), { _tag: "Cancelled" })
        assert.isFalse(yield* Client.cancel(run.id))
      }).pipe(Effect.provide(quiet))
    )

    it.effect("happens to a run whose execution is interrupted", () => {
      const endless = Task.make("endless", { input: Schema.Int, output: Schema.Int })
      return Effect.gen(function* () {
        const started = yield* Deferred.make<void>()
        const worker = Worker.layer({ tasks: [endless] }).pipe(
          Layer.provide(endless.toLayer(() => Effect.andThen(Deferred.succeed(started, undefined), Effect.never)))
        )
        yield* Effect.gen(function* () {
          const fiber = yield* Effect.forkChild(Client.execute(endless, 1, { id: "mine" }))
          yield* Deferred.await(started)
          yield* Fiber.interrupt(fiber)
          assert.deepStrictEqual(yield* Client.outcome("mine"), { _tag: "Cancelled" })
        }).pipe(Effect.provide(Layer.provideMerge(worker, MemoryBroker.layer())))
      })
    })
  })

  describe("looking", () => {
    it.effect("lists runs, nodes, queues and workers", () =>
      Effect.gen(function* () {
        const run = yield* Client.submit(countWords, { url: "nowhere" })
        yield* Effect.flip(run.await)
        const view = yield* Client.run(run.id)
        assert.deepInclude(view, { flow: "words", state: "failed", generation: 1 })
        assert.deepStrictEqual(yield* run.view, view)
        assert.lengthOf(yield* Client.runs({ state: "failed" }), 1)
        assert.lengthOf(yield* Client.runs({ state: "succeeded" }), 0)
        assert.sameMembers(
          (yield* Client.nodes(run.id)).map((node) => node.state),
          view.nodes.length === 2 ? ["failed", "skipped"] : ["failed", "skipped", "skipped"]
        )
        assert.deepStrictEqual(
          (yield* Client.workers).map((worker) => worker.tasks),
          [["fetch", "count"]]
        )
        assert.lengthOf(
          (yield* Client.queues).filter((queue) => queue.ready > 0),
          0
        )
      }).pipe(Effect.provide(layer))
    )

    it.effect("gives the plan of a run, and says when there is no such run or the store has lost its plan", () =>
      Effect.gen(function* () {
        const run = yield* Client.submit(countWords, { url: "a" })
        const { planHash } = yield* run.view
        assert.strictEqual(Plan.hash(yield* Client.plan(run.id)), planHash)
        assert.instanceOf(yield* Effect.flip(Client.plan("nobody")), RunNotFound)
        const broker = yield* Broker
        const forgetful = Broker.of({ ...broker, plan: () => Effect.undefined })
        const lost = yield* Effect.flip(Effect.provideService(Client.plan(run.id), Broker, forgetful))
        assert.include(lost.message, `it has run ${run.id} and not its plan ${planHash}`)
      }).pipe(Effect.provide(quiet))
    )

    it.effect("follows the events of a run until it has ended", () =>
      Effect.gen(function* () {
        const broker = yield* Broker
        const run = yield* Client.submit(countWords, { url: "a" }, { delay: "1 minute" })
        const seen = yield* Effect.forkChild(Stream.runCollect(run.events), { startImmediately: true })
        const everything = yield* Effect.forkChild(
          Stream.runCollect(Stream.takeUntil(Client.events(), (event: Event) => event._tag === "RunEnded")),
          { startImmediately: true }
        )
        yield* TestClock.adjust("2 minutes")
        yield* run.await
        const tags = (yield* Fiber.join(seen)).map((event) => event._tag)
        assert.strictEqual(tags.at(-1), "RunEnded")
        assert.lengthOf(
          tags.filter((tag) => tag === "NodeStarted"),
          2
        )
        assert.deepStrictEqual(
          (yield* Fiber.join(everything)).map((event) => event._tag),
          tags
        )
        assert.isDefined(broker)
      }).pipe(Effect.provide(layer))
    )
  })

  it("can be used without Effect, through a runtime", async () => {
    const double = Task.make("double", { input: Schema.Int, output: Schema.Int })
    const runtime = ManagedRuntime.make(
      Worker.layer({ tasks: [double] }).pipe(
        Layer.provide(double.toLayer(async (n) => n * 2)),
        Layer.provideMerge(MemoryBroker.layer())
      )
    )
    try {
      const run = await runtime.runPromise(Client.submit(double, 21))
      assert.strictEqual(await runtime.runPromise(run.await), 42)
    } finally {
      await runtime.dispose()
    }
  })
})
