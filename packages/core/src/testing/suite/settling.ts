import * as Effect from "effect/Effect"
import * as PlanBuilder from "../PlanBuilder.ts"
import { equal, group } from "./Case.ts"
import { chain, chord, group as tasks, single } from "./plans.ts"
import { decided, deciding, failed, failureOf, interrupted, succeeded } from "./Answer.ts"

const mismatch = (ended: unknown): unknown => {
  const failure = ended as { _tag: string; failed: { tag: string; declared: boolean; error: string } }
  const error = JSON.parse(failure.failed.error) as { _tag: string; where: string; task: string }
  return [failure._tag, failure.failed.tag, failure.failed.declared, error._tag, error.where, error.task]
}

export const settling = group(
  "settle",
  {
    *"records an outcome and moves on what it allows"(rig) {
      const run = yield* rig.submit(chain)
      const worker = yield* rig.hand()
      const job = yield* worker.take("a")
      equal(yield* rig.states(run), { a: "running", b: "blocked", c: "blocked" })
      equal(yield* worker.report(succeeded(job, "done")), ["recorded"])
      equal(yield* rig.states(run), { a: "succeeded", b: "ready", c: "blocked" })
      equal(yield* rig.read(run, "a"), [{ _tag: "Succeeded", value: '"done"' }])
    },

    *"ends the run with its last outcome"(rig) {
      const run = yield* rig.submit(chain)
      const worker = yield* rig.hand()
      yield* worker.play()
      const end = yield* rig.broker.await(run)
      const exit = { _tag: "Succeeded", value: '"c"' } as const
      equal(end, { state: "succeeded", generation: 1, input: "null", exit, failure: undefined })
    },

    *"keeps a value as it is, whatever it is"(rig) {
      const run = yield* rig.submit(single())
      const worker = yield* rig.hand()
      const { attempt, node, nonce } = yield* worker.take("a")
      const value = "not json: \u0000 \u{1F3B5} \\ \" '"
      yield* worker.report({ run, node, attempt, nonce, outcome: { _tag: "Succeeded", value } })
      equal(yield* rig.read(run, "a"), [{ _tag: "Succeeded", value }])
    },

    *"says `already` to a report that was recorded, and changes nothing"(rig) {
      const run = yield* rig.submit(chain)
      const worker = yield* rig.hand()
      const report = succeeded(yield* worker.take("a"), "first")
      equal(yield* worker.report(report), ["recorded"])
      equal(yield* worker.report(report), ["already"])
      equal(yield* worker.report(report), ["already"])
      equal(yield* rig.states(run), { a: "succeeded", b: "ready", c: "blocked" })
      equal(yield* worker.play(), ["b", "c"])
      equal(yield* worker.report(report), ["already"])
    },

    *"says `already` to a failure that was recorded and is to be tried again"(rig) {
      const run = yield* rig.submit(single({ attempts: 2, backoff: "fixed", base: 4 * rig.unit, jitter: false }))
      const worker = yield* rig.hand()
      const report = failed(yield* worker.take("a"), "Boom")
      equal(yield* worker.report(report), ["recorded"])
      equal(yield* worker.report(report), ["already"])
      equal((yield* rig.node(run, "a")).state, "scheduled")
    },

    *"records a report that comes twice in one call once"(rig) {
      yield* rig.submit(single())
      const worker = yield* rig.hand()
      const report = succeeded(yield* worker.take("a"))
      equal(yield* worker.report(report, report), ["recorded", "already"])
    },

    *"records one of many sends of a report at once"(rig) {
      yield* rig.submit(single())
      const worker = yield* rig.hand()
      const report = succeeded(yield* worker.take("a"))
      const sends = Array.from({ length: 20 }, () => worker.report(report))
      const receipts = (yield* Effect.all(sends, { concurrency: "unbounded" })).flat()
      equal(receipts.filter((receipt) => receipt === "recorded").length, 1)
      equal(receipts.filter((receipt) => receipt === "already").length, 19)
    },

    *"says `stale` to another nonce, and changes nothing"(rig) {
      const run = yield* rig.submit(single())
      const worker = yield* rig.hand()
      const job = yield* worker.take("a")
      equal(yield* worker.report({ ...succeeded(job), nonce: "guessed" }), ["stale"])
      equal(yield* rig.states(run), { a: "running" })
      equal(yield* worker.report(succeeded(job)), ["recorded"])
      equal(yield* worker.report({ ...succeeded(job), nonce: "guessed" }), ["stale"])
    },

    *"says `stale` to another attempt, and changes nothing"(rig) {
      const run = yield* rig.submit(single({ attempts: 3 }))
      const worker = yield* rig.hand()
      const job = yield* worker.take("a")
      equal(yield* worker.report({ ...succeeded(job), attempt: 2 }), ["stale"])
      equal(yield* rig.states(run), { a: "running" })
    },

    *"says `stale` to a worker that reports what another holds"(rig) {
      const run = yield* rig.submit(single())
      const worker = yield* rig.hand()
      const other = yield* rig.hand()
      const job = yield* worker.take("a")
      equal(yield* other.report(succeeded(job)), ["stale"])
      equal(yield* rig.states(run), { a: "running" })
    },

    *"says `stale` after the delivery was given back"(rig) {
      const run = yield* rig.submit(single())
      const worker = yield* rig.hand()
      const job = yield* worker.take("a")
      yield* worker.release(job)
      equal(yield* worker.report(succeeded(job)), ["stale"])
      equal(yield* rig.states(run), { a: "ready" })
    },

    *"says `stale` to runs and nodes it does not know"(rig) {
      yield* rig.submit(single())
      const worker = yield* rig.hand()
      const job = yield* worker.take("a")
      equal(
        yield* worker.report(
          { ...succeeded(job), run: "nobody", nonce: "x" },
          { ...succeeded(job), node: "99", nonce: "x" },
          { ...succeeded(job), node: "0.0.0", nonce: "x" },
          { ...succeeded(job), node: "what?", nonce: "x" }
        ),
        ["stale", "stale", "stale", "stale"]
      )
    },

    *"answers a batch in order, and one that is stale spoils no other"(rig) {
      const run = yield* rig.submit(tasks(3))
      const worker = yield* rig.hand()
      const [t0, t1, t2] = (yield* worker.claim()).map((job) => succeeded(job))
      equal(yield* worker.report(t1!), ["recorded"])
      const receipts = yield* worker.report(t0!, t1!, { ...t2!, nonce: "guessed" }, t2!)
      equal(receipts, ["recorded", "already", "stale", "recorded"])
      equal((yield* rig.broker.await(run)).state, "succeeded")
    },

    *"claims as many as it is asked for in the step that settles"(rig) {
      yield* rig.submit(tasks(5))
      const worker = yield* rig.hand()
      const job = yield* worker.take("t0")
      const { jobs } = yield* worker.settle([succeeded(job)], 3)
      equal(
        jobs.map((job) => job.name),
        ["t1", "t2", "t3"]
      )
    },

    *"records how a node failed, word by word"(rig) {
      const run = yield* rig.submit(chain)
      const worker = yield* rig.hand()
      yield* worker.play({ b: (job) => failed(job, "NotFound", { declared: true, error: { url: "x", n: [1] } }) })
      const failure = failureOf("NotFound", { declared: true, error: { url: "x", n: [1] } })
      equal(yield* rig.states(run), { a: "succeeded", b: "failed", c: "skipped" })
      equal(yield* rig.read(run, "b", "c"), [
        { _tag: "Failed", failed: failure, cause: "1" },
        { _tag: "Failed", failed: failure, cause: "1" }
      ])
      const end = yield* rig.broker.await(run)
      equal(end.state, "failed")
      equal(end.failure, { node: "1", attempt: 1, failed: failure })
      equal((yield* rig.broker.run(run)).failure, end.failure)
    },

    *"records errors without a tag and errors that are not declared"(rig) {
      const run = yield* rig.submit(single())
      const worker = yield* rig.hand()
      yield* worker.play({ a: (job) => failed(job, "", { declared: false, error: "sorry" }) })
      equal(yield* rig.read(run, "a"), [
        { _tag: "Failed", failed: { tag: "", declared: false, error: '"sorry"' }, cause: "0" }
      ])
    },

    *"fails a node whose value is over the limit, for good"(rig) {
      const run = yield* rig.submit(single({ attempts: 5 }))
      const worker = yield* rig.hand()
      const job = yield* worker.take("a")
      equal(yield* worker.report(succeeded(job, "x".repeat(999))), ["recorded"])
      const [ended] = yield* rig.read(run, "a")
      equal(mismatch(ended), ["Failed", "PayloadMismatch", false, "PayloadMismatch", "output", "a"])
      equal((yield* rig.broker.await(run)).state, "failed")
    },

    *"takes a value that is exactly as long as the limit"(rig) {
      const run = yield* rig.submit(single())
      const worker = yield* rig.hand()
      yield* worker.report(succeeded(yield* worker.take("a"), "x".repeat(998)))
      equal(yield* rig.states(run), { a: "succeeded" })
    },

    *"makes the instances that a task decides"(rig) {
      const run = yield* rig.submit(chord())
      const worker = yield* rig.hand()
      equal(yield* worker.play({ list: deciding({ each: [1, 2] }) }), [
        "list",
        "each[0].double",
        "each[1].double",
        "sum"
      ])
      equal(yield* rig.read(run, "each.fork", "each"), [
        { _tag: "Succeeded", count: 2 },
        { _tag: "Succeeded", count: 2 }
      ])
    },

    *"fails a node whose report lacks the elements it decides"(rig) {
      const run = yield* rig.submit(chord())
      const worker = yield* rig.hand()
      equal(yield* worker.play(), ["list"])
      equal(yield* rig.states(run), {
        list: "failed",
        "each.fork": "skipped",
        each: "skipped",
        sum: "skipped"
      })
      const [ended] = yield* rig.read(run, "list")
      equal(mismatch(ended), ["Failed", "PayloadMismatch", false, "PayloadMismatch", "output", "list"])
    },

    *"decides several forks by one report, or none when one is missing"(rig) {
      const plan = PlanBuilder.make("two", (p) => {
        const list = p.task("list")
        const xs = p.each("xs", { over: list }, (p) => p.task("x"))
        const ys = p.each("ys", { over: list }, (p) => p.task("y"))
        return p.pass("all", { after: [xs, ys] })
      })
      const worker = yield* rig.hand({ tasks: ["list", "x", "y"] })
      const run = yield* rig.submit(plan)
      equal(yield* worker.play({ list: deciding({ xs: [1], ys: [1, 2] }) }), ["list", "xs[0].x", "ys[0].y", "ys[1].y"])
      equal((yield* rig.broker.run(run)).state, "succeeded")
      const other = yield* rig.submit(plan)
      equal(yield* worker.play({ list: (job) => decided(job, { xs: [1] }) }), ["list"])
      equal((yield* rig.broker.run(other)).state, "failed")
    },

    *"takes an interruption that nobody asked for as given back"(rig) {
      const run = yield* rig.submit(single())
      const worker = yield* rig.hand()
      equal(yield* worker.report(interrupted(yield* worker.take("a"))), ["recorded"])
      equal(yield* rig.states(run), { a: "ready" })
      equal((yield* worker.take("a")).attempt, 1)
    }
  },
  () => ({ payloadLimit: 1_000 })
)
