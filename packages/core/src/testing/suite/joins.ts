import * as PlanBuilder from "../PlanBuilder.ts"
import { equal, group, isTrue } from "./Case.ts"
import { failed, failing, failureOf, succeeded } from "./Answer.ts"

const { settled } = PlanBuilder

/** `a`, `b` and `c` wait for nothing; `end` joins them. */
const joined = (join: "all" | "any" | "settled") =>
  PlanBuilder.make(join, (p) => {
    const after = [p.task("a"), p.task("b"), p.task("c")]
    const wired = join === "settled" ? after.map(settled) : after
    return p.task("end", { join, after: wired })
  })

export const joins = group("joins", {
  *"`all` goes when every edge has fired"(rig) {
    const run = yield* rig.submit(joined("all"))
    const worker = yield* rig.hand()
    const [a, b, c] = yield* worker.claim()
    yield* worker.report(succeeded(c!), succeeded(a!))
    equal((yield* rig.states(run))["end"], "blocked")
    yield* worker.report(succeeded(b!))
    equal(yield* worker.play(), ["end"])
  },

  *"`all` dies of the first failure recorded, without waiting for the others"(rig) {
    const run = yield* rig.submit(joined("all"), { onFailure: "finish" })
    const worker = yield* rig.hand()
    const [a, b, c] = yield* worker.claim()
    yield* worker.report(failed(c!, "First"))
    equal((yield* rig.states(run))["end"], "skipped")
    yield* worker.report(failed(a!, "Second"), succeeded(b!))
    equal(yield* rig.read(run, "end"), [{ _tag: "Failed", failed: failureOf("First"), cause: "2" }])
    equal((yield* rig.broker.await(run)).failure, { node: "2", attempt: 1, failed: failureOf("First") })
  },

  *"`any` goes with the first success and tells which it was"(rig) {
    const plan = PlanBuilder.make("race", (p) => {
      const race = p.pass("race", { join: "any", after: [p.task("a"), p.task("b"), p.task("c")] })
      return p.task("end", { after: [race] })
    })
    const run = yield* rig.submit(plan)
    const worker = yield* rig.hand()
    const [a, b, c] = yield* worker.claim()
    yield* worker.report(failed(a!, "Boom"))
    equal((yield* rig.states(run))["race"], "blocked")
    yield* worker.report(succeeded(c!))
    equal(yield* rig.read(run, "race"), [{ _tag: "Succeeded", from: 2 }])
    equal(yield* worker.play(), ["end"])
    equal((yield* rig.broker.run(run)).state, "running", "the loser is still running")
    yield* worker.report(succeeded(b!))
    equal((yield* rig.broker.await(run)).state, "succeeded")
    equal(yield* rig.read(run, "race"), [{ _tag: "Succeeded", from: 2 }])
  },

  *"`any` fails when all have failed, of the last one in the order of declaration"(rig) {
    const run = yield* rig.submit(joined("any"))
    const worker = yield* rig.hand()
    const [a, b, c] = yield* worker.claim()
    yield* worker.report(failed(c!, "C"), failed(a!, "A"))
    equal((yield* rig.states(run))["end"], "blocked")
    yield* worker.report(failed(b!, "B"))
    equal(yield* rig.read(run, "end"), [{ _tag: "Failed", failed: failureOf("C"), cause: "2" }])
  },

  *"`settled` waits for all and goes, however they ended"(rig) {
    const run = yield* rig.submit(joined("settled"))
    const worker = yield* rig.hand()
    const [a, b, c] = yield* worker.claim()
    yield* worker.report(failed(a!, "Boom"), succeeded(b!))
    equal((yield* rig.states(run))["end"], "blocked")
    yield* worker.report(failed(c!, "Boom"))
    equal(yield* worker.play(), ["end"])
    equal((yield* rig.broker.await(run)).state, "succeeded")
  },

  *"skips what depends on a failure, all the way, for the node that failed"(rig) {
    const plan = PlanBuilder.make("skipped", (p) => {
      const a = p.task("a")
      const b = p.task("b", { after: [a] })
      const both = p.pass("both", { after: [b, p.task("x")] })
      return p.task("c", { after: [both] })
    })
    const run = yield* rig.submit(plan, { onFailure: "finish" })
    const worker = yield* rig.hand()
    equal(yield* worker.play({ a: failing("Boom") }), ["a", "x"])
    equal(yield* rig.states(run), { a: "failed", b: "skipped", x: "succeeded", both: "skipped", c: "skipped" })
    equal(yield* rig.read(run, "c"), [{ _tag: "Failed", failed: failureOf("Boom"), cause: "0" }])
  },

  *"runs what two nodes depend on once"(rig) {
    const plan = PlanBuilder.make("diamond", (p) => {
      const top = p.task("top")
      return p.task("bottom", { after: [p.task("left", { after: [top] }), p.task("right", { after: [top] })] })
    })
    yield* rig.submit(plan)
    const worker = yield* rig.hand()
    equal(yield* worker.play(), ["top", "left", "right", "bottom"])
  },

  *"counts two edges from one node as two"(rig) {
    const plan = PlanBuilder.make("twice", (p) => {
      const a = p.task("a")
      return p.task("b", { after: [a, a, p.task("c"), a] })
    })
    yield* rig.submit(plan)
    const worker = yield* rig.hand()
    equal(yield* worker.play(), ["a", "c", "b"])
  },

  *"joins a thousand nodes, settled a hundred at a time, exactly once"(rig) {
    const plan = PlanBuilder.make("chord", (p) => {
      const after = Array.from({ length: 1_000 }, (_, i) => p.task(`t${i}`, { task: "t" }))
      return p.task("end", { after })
    })
    const run = yield* rig.submit(plan)
    const worker = yield* rig.hand()
    const given = yield* worker.play()
    equal(given.length, 1_001)
    equal(given.at(-1), "end")
    const view = yield* rig.broker.run(run)
    equal(view.state, "succeeded")
    isTrue(
      view.nodes.every((node) => node.succeeded === 1),
      "a node was not counted as succeeded"
    )
  },

  *"follows six thousand edges of one node"(rig) {
    const plan = PlanBuilder.make("fan", (p) => {
      const start = p.task("start")
      const after = Array.from({ length: 6_000 }, (_, i) => p.pass(`p${i}`, { after: [start] }))
      return p.task("end", { after })
    })
    const run = yield* rig.submit(plan)
    const worker = yield* rig.hand()
    equal(yield* worker.play(), ["start", "end"])
    equal((yield* rig.broker.await(run)).state, "succeeded")
  },

  *"follows passes of any depth in one go"(rig) {
    const plan = PlanBuilder.make("deep", (p) => {
      let at = p.task("a")
      for (let i = 0; i < 300; i++) at = p.pass(`p${i}`, { after: [at] })
      return at
    })
    const run = yield* rig.submit(plan)
    const worker = yield* rig.hand()
    yield* worker.play()
    equal((yield* rig.broker.await(run)).state, "succeeded")
  },

  // ---- gates ----

  *"lets a join count only when the gate has fired, with what it has seen until then"(rig) {
    const plan = PlanBuilder.make("gated", (p) => {
      const gate = p.task("gate")
      const a = p.task("a")
      return p.pass("end", { after: [p.task("b", { gate, after: [a] })] })
    })
    const run = yield* rig.submit(plan)
    const worker = yield* rig.hand()
    const [gate, a] = yield* worker.claim()
    yield* worker.report(succeeded(a!))
    equal((yield* rig.states(run))["b"], "blocked")
    yield* worker.report(succeeded(gate!))
    equal(yield* worker.play(), ["b"])
  },

  *"lets `any` behind a gate go with the first that had fired"(rig) {
    const plan = PlanBuilder.make("gated race", (p) => {
      const gate = p.task("gate")
      return p.pass("race", { join: "any", gate, after: [p.task("a"), p.task("b"), p.task("c")] })
    })
    const run = yield* rig.submit(plan)
    const worker = yield* rig.hand()
    const [gate, a, b, c] = yield* worker.claim()
    yield* worker.report(failed(a!, "Boom"), succeeded(c!))
    yield* worker.report(succeeded(b!))
    yield* worker.report(succeeded(gate!))
    equal(yield* rig.read(run, "race"), [{ _tag: "Succeeded", from: 2 }])
  },

  *"keeps a failure from skipping a node whose gate has not fired"(rig) {
    const plan = PlanBuilder.make("gated", (p) => {
      const gate = p.task("gate")
      return p.task("b", { gate, after: [p.task("a")] })
    })
    const run = yield* rig.submit(plan, { onFailure: "finish" })
    const worker = yield* rig.hand()
    const [gate, a] = yield* worker.claim()
    yield* worker.report(failed(a!, "Boom"))
    equal((yield* rig.states(run))["b"], "blocked")
    yield* worker.report(failed(gate!, "Gate"))
    equal(yield* rig.read(run, "b"), [{ _tag: "Failed", failed: failureOf("Gate"), cause: "0" }])
  },

  *"waits with a gate over settled ends, then fails of the first death in the order of declaration"(rig) {
    const plan = PlanBuilder.make("wait then fail", (p) => {
      const after = [p.task("a"), p.task("b"), p.task("c"), p.task("d")]
      const wait = p.pass("wait", { join: "settled", after: after.map(settled) })
      return p.pass("end", { gate: wait, after })
    })
    const run = yield* rig.submit(plan)
    const worker = yield* rig.hand()
    const [a, b, c, d] = yield* worker.claim()
    yield* worker.report(failed(c!, "C"))
    yield* worker.report(failed(b!, "B"))
    yield* worker.report(failed(d!, "D"))
    equal((yield* rig.broker.run(run)).state, "running")
    yield* worker.report(succeeded(a!))
    equal(yield* rig.read(run, "end"), [{ _tag: "Failed", failed: failureOf("B"), cause: "1" }])
  }
})
