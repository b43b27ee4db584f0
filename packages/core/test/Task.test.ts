import * as Attempt from "@arpeggio/core/Attempt"
import * as Handler from "@arpeggio/core/Handler"
import * as Region from "@arpeggio/core/definition/Region"
import * as Origin from "@arpeggio/core/definition/Origin"
import type { Call } from "@arpeggio/core/definition/Step"
import * as Task from "@arpeggio/core/Task"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"

class NotFound extends Schema.TaggedError<NotFound>()("NotFound", { url: Schema.String }) {}
class Corrupt extends Schema.TaggedError<Corrupt>()("Corrupt", {}) {}

const Url = Schema.Struct({ url: Schema.String })
const load = Task.make("load", { input: Url, output: Schema.String, error: Schema.Union([NotFound, Corrupt]) })
const count = Task.make("count", { input: Schema.Struct({ text: Schema.String }), output: Schema.Int })

const info: Attempt.Info = { runId: "run", node: "load", number: 1, generation: 1, lost: 0, fence: 7 }

/** Runs the handler that a layer has for a task, as a worker does. */
const attempt = (
  layer: Layer.Layer<Handler.Handler<"load">>,
  options: { readonly attempt?: Attempt.Attempt["Service"] } = {}
) =>
  Effect.gen(function* () {
    const handler = Context.get(yield* Layer.build(layer), Handler.tag("load"))
    const service = options.attempt ?? Attempt.make(info)
    const run = handler.run({ url: "a" }).pipe(Effect.provideService(Attempt.Attempt, service))
    return yield* Effect.exit(Effect.provideContext(run, handler.services))
  })

const inFlow = (f: () => unknown) => Region.run({ kind: "flow", label: "test", parameter: Schema.Void }, f)

describe("Task", () => {
  it("is a contract with a policy in milliseconds, without what was left out", () => {
    const task = Task.make("a", {
      input: Url,
      output: Schema.Int,
      retry: { attempts: 3, base: "2 seconds", jitter: false, except: [] },
      timeout: "1 minute",
      queue: "slow",
      priority: 0,
      delay: 5
    })
    assert.deepStrictEqual(task.policy, {
      queue: "slow",
      priority: 0,
      attempts: 3,
      base: 2_000,
      jitter: false,
      except: [],
      timeout: 60_000,
      delay: 5
    })
    assert.deepStrictEqual(count.policy, {})
    assert.strictEqual(task.key, "a")
    assert.strictEqual(task.input, Url)
  })

  it("makes a step of the region that is open, and remembers where", () => {
    const region = inFlow(() => load({ url: "a" }))
    const step = region.steps[0] as Call
    assert.strictEqual(region.steps.length, 1)
    assert.strictEqual(step._tag, "Call")
    assert.strictEqual(step.task.key, "load")
    assert.deepStrictEqual(step.input, { url: "a" })
    assert.strictEqual(step.region, region)
    assert.match(step.site ?? "", /Task\.test\.ts:\d+:\d+$/)
    assert.deepStrictEqual(Origin.of(region.result)?.source, { _tag: "Step", step })
  })

  it("keeps what is wrong with its options on its calls, all of it", () => {
    const wrong = Task.make("a", {
      input: Url,
      output: Schema.Int,
      priority: 12,
      timeout: "soon" as never,
      retry: { attempts: 0 }
    })
    const problem = inFlow(() => wrong({ url: "a" })).steps[0]?.problem ?? ""
    assert.match(problem, /`priority` is 12; give a whole number from 0 to 9/)
    assert.match(problem, /`timeout` is "soon"/)
    assert.match(problem, /`retry.attempts` is 0/)
    const unnamed = Task.make("", { input: Url, output: Schema.Int })
    assert.match(inFlow(() => unnamed({ url: "a" })).steps[0]?.problem ?? "", /key of a task/)
  })

  it("can't be called, nor go to a queue, by a name that a store could not tell from others", () => {
    for (const name of ["", "a\tb", "a\nb", "x".repeat(201), "\ud800"]) {
      const named = Task.make(name, { input: Url, output: Schema.Int })
      const queued = Task.make("a", { input: Url, output: Schema.Int, queue: name })
      const problemOf = (task: typeof named | typeof queued) => inFlow(() => task({ url: "a" })).steps[0]?.problem ?? ""
      assert.match(problemOf(named), /^The key of a task is a name, like `image.fetch`: it (is|has) /)
      assert.match(problemOf(queued), /^`queue` is "[^]*"; give a name: it (is|has) /)
    }
  })

  describe("a handler", () => {
    it.effect("gets its services when its layer is built", () =>
      Effect.gen(function* () {
        class Http extends Context.Service<Http, { readonly get: (url: string) => string }>()("Http") {}
        const layer = load.toLayer(({ url }) => Effect.map(Http, (http) => http.get(url)))
        const provided = Layer.provide(layer, Layer.succeed(Http, { get: (url) => `text of ${url}` }))
        assert.deepStrictEqual(yield* attempt(provided), Exit.succeed("text of a"))
      })
    )

    it.effect("can ask about its attempt, and has a scope of its own", () =>
      Effect.gen(function* () {
        const closed: Array<string> = []
        const layer = load.toLayer(() =>
          Effect.gen(function* () {
            yield* Effect.addFinalizer(() => Effect.sync(() => closed.push("scope")))
            const { idempotencyKey, number } = yield* Attempt.Attempt
            return `${idempotencyKey} ${number}`
          })
        )
        assert.deepStrictEqual(yield* attempt(layer), Exit.succeed("run/load 1"))
        assert.deepStrictEqual(closed, ["scope"])
      })
    )

    it.effect("runs in the span of its attempt, not in that of its layer", () =>
      Effect.gen(function* () {
        const layer = load.toLayer(() => Effect.map(Effect.currentParentSpan, (span) => span.spanId).pipe(Effect.orDie))
        const context = yield* Layer.build(layer).pipe(Effect.withSpan("layer"))
        const inside = Context.get(context, Handler.tag("load")).run({ url: "a" })
        const spans = Effect.all([Effect.map(Effect.currentSpan, (span) => span.spanId), inside])
        const [own, seen] = yield* spans.pipe(
          Effect.withSpan("attempt"),
          Effect.provideService(Attempt.Attempt, Attempt.make(info))
        )
        assert.strictEqual(seen, own)
      })
    )

    it.effect("may be an async function: a declared error is a failure, all else a defect", () =>
      Effect.gen(function* () {
        const value = load.toLayer(async ({ url }, { node }) => `${url} ${node}`)
        assert.deepStrictEqual(yield* attempt(value), Exit.succeed("a load"))
        const declared = load.toLayer(async ({ url }) => Promise.reject(new NotFound({ url })))
        assert.deepStrictEqual(yield* attempt(declared), Exit.fail(new NotFound({ url: "a" })))
        const boom = new Error("boom")
        const other = load.toLayer(async () => Promise.reject(boom))
        assert.deepStrictEqual(yield* attempt(other), Exit.die(boom))
        const thrown = load.toLayer((() => {
          throw boom
        }) as never)
        assert.deepStrictEqual(yield* attempt(thrown), Exit.die(boom))
      })
    )

    it.effect("has its signal aborted when the attempt is interrupted, and only then", () =>
      Effect.gen(function* () {
        const started = yield* Deferred.make<AbortSignal>()
        const layer = load.toLayer((_, { signal }) => {
          Deferred.doneUnsafe(started, Effect.succeed(signal))
          return new Promise<string>(() => {})
        })
        const fiber = yield* Effect.forkChild(attempt(layer))
        const signal = yield* Deferred.await(started)
        assert.isFalse(signal.aborted)
        yield* Fiber.interrupt(fiber)
        assert.isTrue(signal.aborted)

        const service = Attempt.make(info)
        yield* attempt(
          load.toLayer(async (_, { signal }) => String(signal.aborted)),
          { attempt: service }
        )
        assert.isFalse(service.signal.aborted)
      })
    )
  })

  it.effect("has handlers that are found in a context by its key, or all of them", () =>
    Effect.gen(function* () {
      const handlers = Layer.mergeAll(
        load.toLayer(async () => "a"),
        count.toLayer(async () => 1),
        Layer.succeed(Context.Service<{ readonly x: 1 }>("Other"), { x: 1 })
      )
      const context = yield* Layer.build(handlers)
      assert.deepStrictEqual(
        Handler.all(context)
          .map((handler) => handler.task.key)
          .toSorted(),
        ["count", "load"]
      )
      assert.strictEqual(Context.get(context, Handler.tag("count")).task.key, "count")
    })
  )
})

describe("Attempt", () => {
  it("has one idempotency key for all attempts of a node", () => {
    const keys = [1, 2].map((number) => Attempt.make({ ...info, number, lost: number }).idempotencyKey)
    assert.deepStrictEqual(keys, ["run/load", "run/load"])
  })

  it.effect("ends as failed when the handler asks for another one later, as a defect that says when", () =>
    Effect.gen(function* () {
      const effect = load.toLayer(() => Effect.flatMap(Attempt.Attempt, (attempt) => attempt.retryAfter("5 seconds")))
      const exit = yield* attempt(effect)
      assert.isTrue(Exit.isFailure(exit))
      if (Exit.isFailure(exit)) assert.strictEqual(Attempt.retryAfterOf(exit.cause), 5_000)
      const promise = yield* attempt(load.toLayer(async () => Promise.reject(new Attempt.RetryAfter(7))))
      if (Exit.isFailure(promise)) assert.strictEqual(Attempt.retryAfterOf(promise.cause), 7)
      assert.isUndefined(Attempt.retryAfterOf(Cause.die("other")))
    })
  )
})
