import * as PlanBuilder from "../PlanBuilder.ts"
import { equal, group } from "./Case.ts"
import { group as tasks } from "./plans.ts"
import { failed, failing, holding, succeeded } from "./Answer.ts"

const { branch } = PlanBuilder

export const outcomes = group("the end of a run", {
  *"ends a run when every node has ended, not when its outcome is known"(rig) {
    const plan = PlanBuilder.make("side", (p) => {
      const a = p.task("a")
      p.task("side", { after: [branch(a, 0)] })
      return p.pass("end", { after: [a] })
    })
    const run = yield* rig.submit(plan)
    const worker = yield* rig.hand()
    yield* worker.play({ side: holding })
    equal(yield* rig.states(run), { a: "succeeded", side: "running", end: "succeeded" })
    equal((yield* rig.broker.run(run)).state, "running")
  },

  *"succeeds although a side step failed"(rig) {
    const plan = PlanBuilder.make("side", (p) => {
      const a = p.task("a")
      p.task("side", { after: [branch(a, 0)] })
      return a
    })
    const run = yield* rig.submit(plan)
    const worker = yield* rig.hand()
    equal(yield* worker.play({ side: failing("Boom") }), ["a", "side"])
    const end = yield* rig.broker.await(run)
    equal([end.state, end.failure], ["succeeded", undefined])
  },

  *"closes a run whose outcome has failed: nothing starts any more, what runs is to stop"(rig) {
    const plan = PlanBuilder.make("fail fast", (p) => {
      const [a, b, c] = [p.task("a"), p.task("b"), p.task("c", { policy: { queue: "idle" } })]
      const d = p.task("d", { after: [b] })
      return p.pass("end", { after: [a, d, c] })
    })
    const run = yield* rig.submit(plan, { onFailure: "cancel" })
    const worker = yield* rig.hand()
    const [a, b] = yield* worker.claim()
    const settlement = yield* worker.settle([failed(a!, "Boom")], 10)
    equal([settlement.jobs, settlement.interrupt], [[], [b!.nonce]])
    equal(yield* rig.states(run), { a: "failed", b: "running", c: "cancelled", d: "blocked", end: "skipped" })
    yield* worker.report(succeeded(b!))
    equal(yield* rig.states(run), { a: "failed", b: "succeeded", c: "cancelled", d: "cancelled", end: "skipped" })
    equal((yield* rig.broker.await(run)).state, "failed")
  },

  *"runs all the rest to the end when it was asked to finish"(rig) {
    const plan = PlanBuilder.make("finish", (p) => {
      const [a, b] = [p.task("a"), p.task("b")]
      const c = p.task("c", { after: [b] })
      return p.pass("end", { after: [a, c] })
    })
    const run = yield* rig.submit(plan, { onFailure: "finish" })
    const worker = yield* rig.hand()
    equal(yield* worker.play({ a: failing("Boom") }), ["a", "b", "c"])
    equal(yield* rig.states(run), { a: "failed", b: "succeeded", c: "succeeded", end: "skipped" })
    equal((yield* rig.broker.await(run)).state, "failed")
  },

  *"keeps runs apart"(rig) {
    const [one, two] = [yield* rig.submit(tasks(2)), yield* rig.submit(tasks(2))]
    const worker = yield* rig.hand()
    yield* worker.play({ t0: (job) => (job.run === one ? failed(job, "Boom") : succeeded(job)) })
    equal((yield* rig.broker.run(one)).state, "failed")
    equal((yield* rig.broker.run(two)).state, "succeeded")
  }
})
