import * as PlanBuilder from "../PlanBuilder.ts"
import { equal, group, isTrue } from "./Case.ts"
import { chord, map, nested } from "./plans.ts"
import type { Job } from "./Answer.ts"
import { deciding, failing, failureOf, holding, succeeded } from "./Answer.ts"

const numbers = (count: number): ReadonlyArray<number> => Array.from({ length: count }, (_, i) => i)
const names = (jobs: ReadonlyArray<Job>): ReadonlyArray<string> => jobs.map((job) => job.name)

export const expansions = group("forEach", {
  *"of no elements goes on at once"(rig) {
    const run = yield* rig.submit(chord())
    const worker = yield* rig.hand()
    equal(yield* worker.play({ list: deciding({ each: [] }) }), ["list", "sum"])
    equal(yield* rig.read(run, "each.fork", "each"), [
      { _tag: "Succeeded", count: 0 },
      { _tag: "Succeeded", count: 0 }
    ])
    equal((yield* rig.broker.run(run)).nodes[4]?.total, 0)
  },

  *"makes an instance for every element, in their order, each with its own"(rig) {
    const run = yield* rig.submit(chord())
    const worker = yield* rig.hand()
    yield* worker.play({ list: deciding({ each: ["a", { b: 1 }, null] }), double: holding })
    equal(yield* rig.states(run), {
      list: "succeeded",
      "each.fork": "succeeded",
      each: "blocked",
      "each[0].double": "running",
      "each[1].double": "running",
      "each[2].double": "running",
      sum: "blocked"
    })
  },

  *"gives an instance the element it is for"(rig) {
    yield* rig.submit(map(), { elements: { each: ["a", { b: 1 }, null] } })
    const worker = yield* rig.hand()
    const jobs = yield* worker.claim()
    equal(
      jobs.map((job) => [job.node, job.items]),
      [
        ["1.0.2", ['"a"']],
        ["1.1.2", ['{"b":1}']],
        ["1.2.2", ["null"]]
      ]
    )
  },

  *"joins when all instances have ended, in any order"(rig) {
    const run = yield* rig.submit(chord())
    const worker = yield* rig.hand()
    yield* worker.play({ list: deciding({ each: [1, 2, 3] }), double: holding, sum: holding })
    const other = yield* rig.hand()
    yield* rig.broker.unregister(worker.id)
    const jobs = yield* other.claim()
    yield* other.report(succeeded(jobs[2]!, "c"), succeeded(jobs[0]!, "a"))
    equal((yield* rig.states(run))["each"], "blocked")
    yield* other.report(succeeded(jobs[1]!, "b"))
    equal(yield* other.play(), ["sum"])
    equal(yield* rig.read(run, "each[0].double", "each[1].double", "each[2].double"), [
      { _tag: "Succeeded", value: '"a"' },
      { _tag: "Succeeded", value: '"b"' },
      { _tag: "Succeeded", value: '"c"' }
    ])
  },

  *"makes no instance when what it is over failed"(rig) {
    const run = yield* rig.submit(chord())
    const worker = yield* rig.hand()
    equal(yield* worker.play({ list: failing("Boom") }), ["list"])
    equal(yield* rig.states(run), { list: "failed", "each.fork": "skipped", each: "skipped", sum: "skipped" })
    equal(yield* rig.read(run, "each"), [{ _tag: "Failed", failed: failureOf("Boom"), cause: "0" }])
  },

  *"nests, with an address for every instance of an instance"(rig) {
    const run = yield* rig.submit(nested)
    const worker = yield* rig.hand()
    const given = yield* worker.play({
      rows: deciding({ row: ["r0", "r1", "r2"] }),
      "row[0].cells": deciding({ col: ["x"] }),
      "row[1].cells": deciding({ col: [] }),
      "row[2].cells": deciding({ col: ["y", "z"] })
    })
    equal(given, [
      "rows",
      "row[0].cells",
      "row[1].cells",
      "row[2].cells",
      "row[0].col[0].cell",
      "row[2].col[0].cell",
      "row[2].col[1].cell",
      "end"
    ])
    equal(yield* rig.read(run, "row[0].col", "row[1].col", "row[2].col", "row[2].col[1].cell"), [
      { _tag: "Succeeded", count: 1 },
      { _tag: "Succeeded", count: 0 },
      { _tag: "Succeeded", count: 2 },
      { _tag: "Succeeded", value: '"row[2].col[1].cell"' }
    ])
    equal((yield* rig.broker.await(run)).state, "succeeded")
  },

  *"opens no more instances at once than its concurrency, and the next when one ends"(rig) {
    yield* rig.submit(map(2), { elements: { each: numbers(5) } })
    const worker = yield* rig.hand()
    const [first, second, ...more] = yield* worker.claim()
    equal([names([first!, second!]), more], [["each[0].double", "each[1].double"], []])
    const third = yield* worker.settle([succeeded(second!)], 10)
    equal(names(third.jobs), ["each[2].double"])
    const rest = yield* worker.settle([succeeded(first!), succeeded(third.jobs[0]!)], 10)
    equal(names(rest.jobs), ["each[3].double", "each[4].double"])
  },

  *"counts an instance as open until its exit has ended"(rig) {
    const plan = PlanBuilder.make("two steps", (p) =>
      p.each("each", { over: "input", concurrency: 1 }, (p) => p.task("b", { after: [p.task("a")] }))
    )
    yield* rig.submit(plan, { elements: { each: numbers(3) } })
    const worker = yield* rig.hand()
    equal(yield* worker.play(), ["each[0].a", "each[0].b", "each[1].a", "each[1].b", "each[2].a", "each[2].b"])
  },

  *"releases instances when the nodes they use from outside have ended"(rig) {
    const plan = PlanBuilder.make("captured", (p) => {
      const image = p.task("image")
      const each = p.each("each", { over: "input" }, (p) => p.task("resize", { after: [image] }))
      return p.task("end", { after: [each] })
    })
    const run = yield* rig.submit(plan, { elements: { each: [1, 2] } })
    const worker = yield* rig.hand()
    const image = yield* worker.take("image")
    equal((yield* worker.claim()).length, 0)
    const { jobs } = yield* worker.settle([succeeded(image, "pixels")], 10)
    equal(names(jobs), ["each[0].resize", "each[1].resize"])
    const [read] = yield* rig.read(run, "image")
    equal(jobs[1]!.ends.get(image.node) ?? read, { _tag: "Succeeded", value: '"pixels"' })
  },

  *"lets each instance see the failure of a node it uses from outside"(rig) {
    const plan = PlanBuilder.make("captured failure", (p) => {
      const image = p.task("image")
      return p.each("each", { over: "input" }, (p) =>
        p.catch("c", { of: p.task("resize", { after: [image] }), failure: ["Boom"] }, (p) => p.task("h"))
      )
    })
    const run = yield* rig.submit(plan, { elements: { each: [1, 2] } })
    const worker = yield* rig.hand()
    equal(yield* worker.play({ image: failing("Boom") }), ["image", "each[0].h", "each[1].h"])
    equal((yield* rig.states(run))["each[1].resize"], "skipped")
    equal((yield* rig.broker.await(run)).state, "succeeded")
  },

  *"gives instances in instances what they use from far outside"(rig) {
    const plan = PlanBuilder.make("captured from far", (p) => {
      const far = p.task("far")
      return p.each("outer", { over: "input" }, (p) => {
        const list = p.task("list")
        return p.each("inner", { over: list }, (p) => p.task("leaf", { after: [far] }))
      })
    })
    const run = yield* rig.submit(plan, { elements: { outer: [1, 2] } })
    const worker = yield* rig.hand()
    equal(yield* worker.play({ list: deciding({ inner: ["x"] }) }), [
      "far",
      "outer[0].list",
      "outer[1].list",
      "outer[0].inner[0].leaf",
      "outer[1].inner[0].leaf"
    ])
    equal((yield* rig.broker.await(run)).state, "succeeded")
  },

  *"fails with its first instance that fails, and never makes the rest"(rig) {
    const run = yield* rig.submit(map(2), { elements: { each: numbers(10) }, onFailure: "finish" })
    const worker = yield* rig.hand()
    const given = yield* worker.play({ "each[1].double": failing("Boom") })
    isTrue(given.length <= 3, `${given.length} instances were started although the second had failed`)
    equal((yield* rig.states(run))["each"], "skipped")
    equal((yield* rig.read(run, "each"))[0], { _tag: "Failed", failed: failureOf("Boom"), cause: "1.1.2" })
    equal((yield* rig.broker.await(run)).state, "failed")
    equal((yield* rig.read(run, "each[9].double"))[0], undefined)
  },

  *"runs the other instances to the end when it was asked to finish"(rig) {
    const run = yield* rig.submit(map(), { elements: { each: numbers(4) }, onFailure: "finish" })
    const worker = yield* rig.hand()
    equal((yield* worker.play({ "each[1].double": failing("Boom") })).length, 4)
    const end = yield* rig.broker.await(run)
    equal([end.state, end.failure?.node], ["failed", "1.1.2"])
  },

  *"joined by `settled` waits for all instances and goes, however they ended"(rig) {
    const plan = PlanBuilder.make("settled", (p) => {
      const each = p.each("each", { over: "input", concurrency: 2, join: "settled" }, (p) => p.task("double"))
      return p.task("end", { after: [each] })
    })
    const run = yield* rig.submit(plan, { elements: { each: numbers(5) } })
    const worker = yield* rig.hand()
    const given = yield* worker.play({ "each[0].double": failing("A"), "each[3].double": failing("B") })
    equal([given.length, given.at(-1)], [6, "end"])
    equal(yield* rig.read(run, "each"), [{ _tag: "Succeeded", count: 5 }])
    equal((yield* rig.broker.await(run)).state, "succeeded")
  },

  *"handles a failure inside its instance"(rig) {
    const plan = PlanBuilder.make("handled inside", (p) =>
      p.each("each", { over: "input" }, (p) => p.catch("c", { of: p.task("a") }, (p) => p.task("h")))
    )
    const run = yield* rig.submit(plan, { elements: { each: [1, 2] } })
    const worker = yield* rig.hand()
    equal(yield* worker.play({ "each[1].a": failing("Boom") }), ["each[0].a", "each[1].a", "each[1].h"])
    const states = yield* rig.states(run)
    equal([states["each[0].h"], states["each[1].h"], states["each"]], ["void", "succeeded", "succeeded"])
  },

  *"is decided by built-in work where no task has the array"(rig) {
    const plan = PlanBuilder.make("built-in", (p) => {
      const list = p.pass("list", { after: [p.task("a")] })
      return p.each("each", { over: list }, (p) => p.task("b"))
    })
    const run = yield* rig.submit(plan)
    const worker = yield* rig.hand()
    equal(yield* worker.play({ "each.decide": deciding({ each: [1, 2] }) }), [
      "a",
      "each.decide",
      "each[0].b",
      "each[1].b"
    ])
    equal((yield* rig.broker.await(run)).state, "succeeded")
  },

  *"in a branch not taken is void as a whole"(rig) {
    const plan = PlanBuilder.make("not taken", (p) =>
      p.catch("c", { of: p.task("a") }, (p) => {
        const list = p.task("list")
        return p.each("each", { over: list }, (p) => p.task("b"))
      })
    )
    const run = yield* rig.submit(plan)
    const worker = yield* rig.hand()
    equal(yield* worker.play(), ["a"])
    const states = yield* rig.states(run)
    equal([states["each.fork"], states["each"], states["c"]], ["void", "void", "succeeded"])
  },

  *"of six thousand elements makes every instance without waiting for any to end"(rig) {
    const run = yield* rig.submit(chord())
    const worker = yield* rig.hand()
    const given = yield* worker.play({ list: deciding({ each: numbers(6_000) }), double: holding })
    equal(given.length, 6_001)
    equal((yield* rig.broker.run(run)).nodes[4]?.running, 6_000)
  },

  *"of six thousand elements joins all of them once"(rig) {
    const run = yield* rig.submit(chord())
    const worker = yield* rig.hand()
    const given = yield* worker.play({ list: deciding({ each: numbers(6_000) }) })
    equal([given.length, new Set(given).size, given.at(-1)], [6_002, 6_002, "sum"])
    const view = yield* rig.broker.run(run)
    equal([view.state, view.nodes[4]?.succeeded, view.nodes[4]?.total], ["succeeded", 6_000, 6_000])
  }
})
