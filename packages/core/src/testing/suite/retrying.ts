import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as PlanBuilder from "../PlanBuilder.ts"
import { equal, group, sameMembers } from "./Case.ts"
import { chain, chord, map, nested, single } from "./plans.ts"
import { deciding, failed, failing, holding, interrupting, succeeded } from "./Answer.ts"

export const retrying = group("retry of a run", {
  *"opens the next generation with what failed and what depends on it, and keeps the rest"(rig) {
    const run = yield* rig.submit(chain)
    const worker = yield* rig.hand()
    yield* worker.play({ b: failing("Boom") })
    equal(yield* rig.broker.retry(run), { generation: 2 })
    equal(yield* rig.states(run), { a: "succeeded", b: "ready", c: "blocked" })
    const job = yield* worker.take("b")
    equal([job.generation, job.attempt], [2, 1])
    equal(yield* rig.read(run, "a"), [{ _tag: "Succeeded", value: '"a"' }])
    yield* worker.report(succeeded(job))
    equal(yield* worker.play(), ["c"])
    const exit = { _tag: "Succeeded", value: '"c"' } as const
    equal(yield* rig.broker.await(run), { state: "succeeded", generation: 2, input: "null", exit, failure: undefined })
  },

  *"counts attempts from one again"(rig) {
    const policy = { attempts: 2, backoff: "fixed", base: 0, jitter: false } as const
    const plan = PlanBuilder.make("again", (p) => p.task("a", { policy }))
    const run = yield* rig.submit(plan)
    const worker = yield* rig.hand()
    for (const generation of [1, 2, 3]) {
      for (const attempt of [1, 2]) {
        const job = yield* worker.take("a")
        equal([job.generation, job.attempt], [generation, attempt])
        yield* worker.report(failing("Boom")(job)!)
        yield* rig.pass(0.1)
        yield* rig.broker.sweep
      }
      equal((yield* rig.broker.run(run)).state, "failed")
      equal(yield* rig.broker.retry(run), { generation: generation + 1 })
    }
  },

  *"ends instances that were kept and wait for what is cancelled around them"(rig) {
    const plan = PlanBuilder.make("kept", (p) => {
      const around = p.task("around")
      return p.each("each", { over: "input", concurrency: 1 }, (p) => p.task("b", { after: [p.task("a"), around] }))
    })
    const run = yield* rig.submit(plan, { elements: { each: [1, 2, 3] } })
    const worker = yield* rig.hand()
    yield* worker.play({ "each[1].b": failing("Boom") })
    yield* rig.broker.retry(run, PlanBuilder.addressOf(plan, "around"))
    equal((yield* rig.states(run))["each[0].a"], "succeeded")
    yield* rig.broker.cancel(run)
    equal((yield* rig.broker.await(run)).state, "cancelled")
    equal((yield* rig.states(run))["each[0].b"], "cancelled")
  },

  *"lets an attempt wait for its own time, not for that of the generation before"(rig) {
    const run = yield* rig.submit(single({ attempts: 3, backoff: "fixed", base: 8 * rig.unit, jitter: false }))
    const worker = yield* rig.hand()
    yield* worker.report(failed(yield* worker.take("a"), "Boom"))
    yield* rig.broker.cancel(run)
    yield* rig.broker.retry(run)
    yield* rig.pass(6)
    yield* worker.report(failed(yield* worker.take("a"), "Boom"))
    yield* rig.pass(4)
    yield* rig.broker.sweep
    equal(yield* worker.claim(), [])
    yield* rig.pass(5)
    yield* rig.broker.sweep
    equal((yield* worker.take("a")).attempt, 2)
  },

  *"is refused while the run is running"(rig) {
    const run = yield* rig.submit(chain)
    const error = yield* Effect.flip(rig.broker.retry(run))
    equal([error._tag, "run" in error && error.run], ["RunNotEnded", run])
    equal((yield* rig.broker.run(run)).generation, 1)
  },

  *"asked for many times at once opens one generation"(rig) {
    const run = yield* rig.submit(chain)
    const worker = yield* rig.hand()
    yield* worker.play({ a: failing("Boom") })
    const retries = Array.from({ length: 10 }, () => Effect.exit(rig.broker.retry(run)))
    const exits = yield* Effect.all(retries, { concurrency: "unbounded" })
    equal(exits.filter((exit) => exit._tag === "Success").length, 1)
    equal((yield* rig.broker.run(run)).generation, 2)
  },

  *"starts again what was cancelled"(rig) {
    const run = yield* rig.submit(chain)
    const worker = yield* rig.hand()
    yield* worker.report(succeeded(yield* worker.take("a")))
    yield* rig.broker.cancel(run)
    yield* rig.broker.retry(run)
    equal(yield* worker.play(), ["b", "c"])
    const end = yield* rig.broker.await(run)
    equal([end.state, end.generation], ["succeeded", 2])
  },

  *"hands out once what was ready when the run was cancelled"(rig) {
    const run = yield* rig.submit(single())
    yield* rig.broker.cancel(run)
    yield* rig.broker.retry(run)
    const jobs = yield* (yield* rig.hand()).claim(10)
    equal(
      jobs.map(({ generation, name }) => [name, generation]),
      [["a", 2]]
    )
  },

  *"can be cancelled again"(rig) {
    const run = yield* rig.submit(chain)
    const worker = yield* rig.hand()
    yield* rig.broker.cancel(run)
    yield* rig.broker.retry(run)
    yield* worker.take("a")
    equal(yield* rig.broker.cancel(run), true)
    equal((yield* worker.settle([], 0)).interrupt.length, 1)
    yield* rig.broker.unregister(worker.id)
    const end = yield* rig.broker.await(run)
    equal([end.state, end.generation], ["cancelled", 2])
  },

  *"leaves a failure that was handled as it is"(rig) {
    const plan = PlanBuilder.make("handled", (p) => {
      const caught = p.catch("c", { of: p.task("a") }, (p) => p.task("h"))
      return p.pass("all", { after: [caught, p.task("b")] })
    })
    const run = yield* rig.submit(plan)
    const worker = yield* rig.hand()
    equal(yield* worker.play({ a: failing("A"), b: failing("B"), h: holding }), ["a", "b"])
    equal((yield* rig.states(run))["h"], "cancelled")

    const other = yield* rig.submit(plan, { onFailure: "finish" })
    equal(yield* worker.play({ a: failing("A"), b: failing("B") }), ["a", "b", "h"])
    yield* rig.broker.retry(other)
    equal(yield* worker.play(), ["b"])
    equal((yield* rig.states(other))["a"], "failed")
    equal((yield* rig.broker.await(other)).state, "succeeded")
  },

  *"starts again from a node that succeeded, with what depends on it"(rig) {
    const run = yield* rig.submit(chain)
    const worker = yield* rig.hand()
    yield* worker.play()
    equal(yield* rig.broker.retry(run, "1"), { generation: 2 })
    equal(yield* rig.states(run), { a: "succeeded", b: "ready", c: "blocked" })
    yield* worker.play({ b: (job) => succeeded(job, "again") })
    equal(yield* rig.read(run, "a", "b"), [
      { _tag: "Succeeded", value: '"a"' },
      { _tag: "Succeeded", value: '"again"' }
    ])
  },

  *"from a merge leaves the failure alone that was handled there"(rig) {
    const plan = PlanBuilder.make("merge", (p) => p.catch("c", { of: p.task("a") }, (p) => p.task("h")))
    const run = yield* rig.submit(plan)
    const worker = yield* rig.hand()
    equal(yield* worker.play({ a: failing("Boom") }), ["a", "h"])
    yield* rig.broker.retry(run, PlanBuilder.addressOf(plan, "c"))
    equal(yield* worker.play(), [])
    const end = yield* rig.broker.await(run)
    equal([end.state, end.generation], ["succeeded", 2])
  },

  *"starts again what was cancelled when something that waits for it starts again"(rig) {
    const plan = PlanBuilder.make("race", (p) => {
      const [a, b] = [p.task("a"), p.task("b", { policy: { queue: "idle" } })]
      p.pass("race", { join: "any", after: [a, b] })
      return a
    })
    const run = yield* rig.submit(plan)
    const worker = yield* rig.hand({ queues: ["default"] })
    equal(yield* worker.play(), ["a"])
    yield* rig.broker.cancel(run)
    equal(yield* rig.states(run), { a: "succeeded", b: "cancelled", race: "succeeded" })
    equal((yield* rig.broker.run(run)).state, "succeeded")
    yield* rig.broker.retry(run, PlanBuilder.addressOf(plan, "a"))
    const all = yield* rig.hand({ queues: ["default", "idle"] })
    sameMembers(yield* all.play(), ["a", "b"])
    equal((yield* rig.broker.await(run)).state, "succeeded")
  },

  *"of a run in which nothing failed ends at once"(rig) {
    const run = yield* rig.submit(chain)
    const worker = yield* rig.hand()
    yield* worker.play()
    equal(yield* rig.broker.retry(run), { generation: 2 })
    equal(yield* worker.play(), [])
    const end = yield* rig.broker.await(run)
    equal([end.state, end.generation], ["succeeded", 2])
  },

  *"starts again the instances that failed, keeps the others, and makes those that were dropped"(rig) {
    const run = yield* rig.submit(map(1), { elements: { each: [1, 2, 3, 4] } })
    const worker = yield* rig.hand()
    equal(yield* worker.play({ "each[1].double": failing("Boom") }), ["each[0].double", "each[1].double"])
    yield* rig.broker.retry(run)
    equal(yield* worker.play(), ["each[1].double", "each[2].double", "each[3].double"])
    equal((yield* rig.broker.await(run)).state, "succeeded")
    equal(yield* rig.read(run, "each"), [{ _tag: "Succeeded", count: 4 }])
  },

  *"makes the instances that a cancel left out"(rig) {
    const run = yield* rig.submit(map(1), { elements: { each: [1, 2, 3] } })
    const worker = yield* rig.hand()
    const job = yield* worker.take("each[0].double")
    yield* rig.broker.cancel(run)
    yield* worker.report(succeeded(job))
    equal(yield* rig.states(run), { "each.fork": "succeeded", each: "cancelled", "each[0].double": "succeeded" })
    yield* rig.broker.retry(run)
    equal(yield* worker.play(), ["each[1].double", "each[2].double"])
    equal((yield* rig.broker.await(run)).state, "succeeded")
  },

  *"makes the instances that a failure left out while other nodes went on"(rig) {
    const plan = PlanBuilder.make("left out", (p) => {
      const each = p.each("each", { over: "input", concurrency: 1 }, (p) => p.task("double"))
      return p.pass("all", { after: [each, p.task("slow")] })
    })
    const run = yield* rig.submit(plan, { elements: { each: [1, 2, 3] }, onFailure: "finish" })
    const worker = yield* rig.hand()
    const given = yield* worker.play({ "each[1].double": failing("Boom"), slow: holding })
    sameMembers(given, ["each[0].double", "slow", "each[1].double"])
    yield* rig.broker.unregister(worker.id)
    const other = yield* rig.hand()
    equal(yield* other.play(), ["slow"])
    yield* rig.broker.retry(run)
    equal(yield* other.play(), ["each[1].double", "each[2].double"])
    equal((yield* rig.broker.await(run)).state, "succeeded")
  },

  *"makes new instances when it starts again what decides them"(rig) {
    const run = yield* rig.submit(chord())
    const worker = yield* rig.hand()
    yield* worker.play({ list: deciding({ each: [1, 2, 3] }) })
    yield* rig.broker.retry(run, "0")
    equal(yield* worker.play({ list: deciding({ each: [1] }) }), ["list", "each[0].double", "sum"])
    equal(yield* rig.states(run), {
      list: "succeeded",
      "each.fork": "succeeded",
      each: "succeeded",
      "each[0].double": "succeeded",
      sum: "succeeded"
    })
    const [, fork, , , double] = (yield* rig.broker.run(run)).nodes
    equal([fork?.total, double?.total, double?.succeeded], [1, 1, 1])
  },

  *"makes new instances in new instances, as many as they decide now"(rig) {
    const run = yield* rig.submit(nested)
    const worker = yield* rig.hand()
    const rows = deciding({ row: [1] })
    yield* worker.play({ rows, "row[0].cells": deciding({ col: [1, 2, 3] }) })
    yield* rig.broker.retry(run, PlanBuilder.addressOf(nested, "rows"))
    equal(yield* worker.play({ rows, "row[0].cells": deciding({ col: [1, 2] }) }), [
      "rows",
      "row[0].cells",
      "row[0].col[0].cell",
      "row[0].col[1].cell",
      "end"
    ])
    equal((yield* rig.broker.await(run)).state, "succeeded")
  },

  *"starts again from one instance and joins anew"(rig) {
    const run = yield* rig.submit(chord())
    const worker = yield* rig.hand()
    yield* worker.play({ list: deciding({ each: [1, 2] }) })
    yield* rig.broker.retry(run, PlanBuilder.addressOf(chord(), "each[1].double"))
    equal(yield* worker.play(), ["each[1].double", "sum"])
    equal((yield* rig.broker.await(run)).state, "succeeded")
  },

  *"leaves side steps alone that succeeded, and starts again those that failed"(rig) {
    const plan = PlanBuilder.make("sides", (p) => {
      const a = p.task("a")
      p.task("fine", { after: [PlanBuilder.branch(a, 0)] })
      p.task("broken", { after: [PlanBuilder.branch(a, 0)] })
      return a
    })
    const run = yield* rig.submit(plan)
    const worker = yield* rig.hand()
    yield* worker.play({ broken: failing("Boom") })
    equal((yield* rig.broker.run(run)).state, "succeeded")
    yield* rig.broker.retry(run)
    equal(yield* worker.play(), ["broken"])
    equal((yield* rig.broker.await(run)).state, "succeeded")
  },

  *"leaves a branch alone that was not taken"(rig) {
    const plan = PlanBuilder.make("not taken", (p) => {
      const y = p.task("y", { after: [PlanBuilder.branch(p.task("x"), 1)] })
      return p.pass("end", { join: "any", after: [y, p.task("b")] })
    })
    const run = yield* rig.submit(plan)
    const worker = yield* rig.hand()
    equal(yield* worker.play({ b: failing("Boom") }), ["x", "b"])
    yield* rig.broker.retry(run)
    equal(yield* worker.play(), ["b"])
    equal(yield* rig.states(run), { x: "succeeded", y: "void", b: "succeeded", end: "succeeded" })
  },

  *"may take another branch than the generation before"(rig) {
    const plan = PlanBuilder.make("other branch", (p) =>
      p.catch("c", { of: p.task("a"), failure: ["NotFound"] }, (p) => p.task("h"))
    )
    const run = yield* rig.submit(plan)
    const worker = yield* rig.hand()
    equal(yield* worker.play({ a: failing("Boom") }), ["a"])
    yield* rig.broker.retry(run)
    equal(yield* worker.play({ a: failing("NotFound") }), ["a", "h"])
    equal((yield* rig.broker.await(run)).state, "succeeded")
  },

  *"makes reports of the generation before stale or already recorded"(rig) {
    const run = yield* rig.submit(chain)
    const worker = yield* rig.hand()
    const report = failing("Boom")(yield* worker.take("a"))!
    yield* worker.report(report)
    yield* rig.broker.retry(run)
    const job = yield* worker.take("a")
    equal(yield* worker.report({ ...report, outcome: { _tag: "Succeeded", value: "1" } }), ["stale"])
    equal((yield* rig.states(run))["a"], "running")
    equal(yield* worker.report(succeeded(job)), ["recorded"])
  },

  *"lets who waits for the run wait for the end of the new generation"(rig) {
    const run = yield* rig.submit(chain)
    const worker = yield* rig.hand()
    const first = yield* Effect.forkScoped(rig.broker.await(run), { startImmediately: true })
    yield* rig.pass(0.1)
    yield* worker.play({ b: failing("Boom") })
    equal((yield* Fiber.join(first)).generation, 1)
    yield* rig.broker.retry(run)
    const waiting = yield* Effect.forkScoped(rig.broker.await(run), { startImmediately: true })
    yield* rig.pass(0.1)
    equal(waiting.pollUnsafe(), undefined)
    yield* worker.play()
    yield* rig.eventually(() => waiting.pollUnsafe() !== undefined)
    const end = yield* rig.broker.await(run)
    equal([end.state, end.generation], ["succeeded", 2])
  },

  *"starts again what was interrupted when the outcome failed"(rig) {
    const plan = PlanBuilder.make("interrupted", (p) => p.pass("all", { after: [p.task("a"), p.task("b")] }))
    const run = yield* rig.submit(plan)
    const worker = yield* rig.hand()
    const [a, b] = yield* worker.claim()
    yield* worker.report(failing("Boom")(a!)!)
    yield* worker.report(interrupting(b!)!)
    equal(yield* rig.states(run), { a: "failed", b: "cancelled", all: "skipped" })
    yield* rig.broker.retry(run)
    sameMembers(yield* worker.play(), ["a", "b"])
    equal((yield* rig.broker.await(run)).state, "succeeded")
  }
})
