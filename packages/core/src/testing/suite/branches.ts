import * as PlanBuilder from "../PlanBuilder.ts"
import { equal, group } from "./Case.ts"
import { failed, failing, succeeded } from "./Answer.ts"

const { branch, settled } = PlanBuilder
const failureEdge = PlanBuilder.failed

export const branches = group("failures and branches", {
  *"runs a handler for the failure it catches, and joins what it made of it"(rig) {
    const plan = PlanBuilder.make("caught", (p) =>
      p.catch("c", { of: p.task("a"), failure: ["NotFound"] }, (p) => p.task("h"))
    )
    const run = yield* rig.submit(plan)
    const worker = yield* rig.hand()
    equal(yield* worker.play({ a: failing("NotFound") }), ["a", "h"])
    equal((yield* rig.broker.await(run)).state, "succeeded")
    equal(yield* rig.read(run, "c"), [{ _tag: "Succeeded", from: 1 }])
  },

  *"leaves a handler void when its failure does not come, and goes on with the value"(rig) {
    const plan = PlanBuilder.make("caught", (p) =>
      p.catch("c", { of: p.task("a"), failure: ["NotFound"] }, (p) => p.task("h"))
    )
    const run = yield* rig.submit(plan)
    const worker = yield* rig.hand()
    equal(yield* worker.play(), ["a"])
    equal(yield* rig.states(run), { a: "succeeded", "c.entry": "void", h: "void", "c.exit": "void", c: "succeeded" })
    equal(yield* rig.read(run, "h", "c"), [{ _tag: "Void" }, { _tag: "Succeeded", from: 0 }])
  },

  *"lets a failure of another tag pass by a handler"(rig) {
    const plan = PlanBuilder.make("caught", (p) =>
      p.catch("c", { of: p.task("a"), failure: ["NotFound"] }, (p) => p.task("h"))
    )
    const run = yield* rig.submit(plan)
    const worker = yield* rig.hand()
    equal(yield* worker.play({ a: failing("Boom") }), ["a"])
    equal(yield* rig.states(run), { a: "failed", "c.entry": "void", h: "void", "c.exit": "void", c: "skipped" })
    equal((yield* rig.broker.await(run)).failure?.failed.tag, "Boom")
  },

  *"fails of the handler when that fails too"(rig) {
    const plan = PlanBuilder.make("caught", (p) => p.catch("c", { of: p.task("a") }, (p) => p.task("h")))
    const run = yield* rig.submit(plan)
    const worker = yield* rig.hand()
    yield* worker.play({ a: failing("A"), h: failing("H") })
    equal((yield* rig.broker.await(run)).failure?.failed.tag, "H")
  },

  *"shows a handler the failure through nodes that were skipped for it"(rig) {
    const plan = PlanBuilder.make("far", (p) => {
      const b = p.task("b", { after: [p.task("a")] })
      return p.catch("c", { of: p.pass("x", { after: [b] }), failure: ["Boom"] }, (p) => p.task("h"))
    })
    const run = yield* rig.submit(plan)
    const worker = yield* rig.hand()
    equal(yield* worker.play({ a: failing("Boom") }), ["a", "h"])
    equal((yield* rig.broker.await(run)).state, "succeeded")
  },

  *"tells declared failures from others"(rig) {
    const plan = PlanBuilder.make("declared", (p) =>
      p.catch("c", { of: p.task("a"), failure: "declared" }, (p) => p.task("h"))
    )
    const worker = yield* rig.hand({ tasks: ["a", "h"] })
    yield* rig.submit(plan, { id: "declared" })
    equal(yield* worker.play({ a: failing("Boom", { declared: true }) }), ["a", "h"])
    yield* rig.submit(plan, { id: "other" })
    equal(yield* worker.play({ a: failing("Boom", { declared: false }) }), ["a"])
    equal((yield* rig.broker.run("declared")).state, "succeeded")
    equal((yield* rig.broker.run("other")).state, "failed")
  },

  *"takes the first branch after a success that decides nothing, and leaves the others void"(rig) {
    const plan = PlanBuilder.make("branches", (p) => {
      const a = p.task("a")
      const taken = p.task("taken", { after: [branch(a, 0)] })
      const other = p.task("other", { after: [branch(a, 1)] })
      const behind = p.task("behind", { after: [other] })
      return p.pass("end", { join: "any", after: [taken, behind] })
    })
    const run = yield* rig.submit(plan)
    const worker = yield* rig.hand()
    equal(yield* worker.play(), ["a", "taken"])
    equal(yield* rig.states(run), {
      a: "succeeded",
      taken: "succeeded",
      other: "void",
      behind: "void",
      end: "succeeded"
    })
  },

  *"runs what comes after a failure, and leaves void what comes after a success that was none"(rig) {
    const plan = PlanBuilder.make("link", (p) => {
      const a = p.task("a")
      p.task("link", { after: [branch(a, 0)] })
      p.task("linkError", { after: [failureEdge(a)] })
      return a
    })
    const run = yield* rig.submit(plan, { onFailure: "finish" })
    const worker = yield* rig.hand()
    equal(yield* worker.play({ a: failing("Boom") }), ["a", "linkError"])
    equal(yield* rig.states(run), { a: "failed", link: "void", linkError: "succeeded" })
  },

  *"`all` is void when an edge is, also when another died of a failure before the gate fired"(rig) {
    const plan = PlanBuilder.make("void", (p) => {
      const [gate, a, b] = [p.task("gate"), p.task("a"), p.task("b")]
      const never = p.task("never", { after: [branch(a, 7)] })
      p.pass("both", { gate, after: [b, never] })
      return a
    })
    const run = yield* rig.submit(plan, { onFailure: "finish" })
    const worker = yield* rig.hand()
    const [gate, a, b] = yield* worker.claim()
    yield* worker.report(failed(b!, "Boom"))
    yield* worker.report(succeeded(a!))
    yield* worker.report(succeeded(gate!))
    equal((yield* rig.states(run))["both"], "void")
  },

  *"`settled` is void when all its edges are, and goes when one is not"(rig) {
    const plan = PlanBuilder.make("settled voids", (p) => {
      const a = p.task("a")
      const [x, y] = [p.task("x", { after: [branch(a, 1)] }), p.task("y", { after: [branch(a, 2)] })]
      p.pass("none", { join: "settled", after: [settled(x), settled(y)] })
      p.pass("some", { join: "settled", after: [settled(x), settled(a)] })
      return a
    })
    const run = yield* rig.submit(plan)
    const worker = yield* rig.hand()
    yield* worker.play()
    equal(yield* rig.states(run), { a: "succeeded", x: "void", y: "void", none: "void", some: "succeeded" })
  }
})
