import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as PlanBuilder from "../PlanBuilder.ts"
import { equal, group, isTrue } from "./Case.ts"
import { chain, chord, group as tasks, map } from "./plans.ts"
import type { Job } from "./Answer.ts"
import { decided, failed, holding, interrupted, succeeded } from "./Answer.ts"

const { branch, settled } = PlanBuilder

/** `work` after `open`, and whatever becomes of it `close`, which is cleanup. */
const ensured = PlanBuilder.make("ensured", (p) => {
  const open = p.task("open")
  const work = p.task("work", { after: [open] })
  const entry = p.pass("entry", { role: "entry", join: "settled", after: [settled(work)], cleanup: true })
  const close = p.task("close", { gate: entry, after: [open], cleanup: true })
  return p.pass("end", { gate: entry, after: [work, close] })
})

export const cancelling = group("cancel", {
  *"ends what waits, at once when nothing runs"(rig) {
    const run = yield* rig.submit(chain)
    equal(yield* rig.broker.cancel(run), true)
    equal(yield* rig.states(run), { a: "cancelled", b: "cancelled", c: "cancelled" })
    const end = yield* rig.broker.await(run)
    equal([end.state, end.failure], ["cancelled", undefined])
    equal(yield* rig.read(run, "a"), [{ _tag: "Cancelled" }])
  },

  *"tells the worker that runs it to stop, with its next report and its next renewal"(rig) {
    const run = yield* rig.submit(tasks(3))
    const other = yield* rig.submit(tasks(1))
    const worker = yield* rig.hand()
    const jobs = yield* worker.claim()
    const nonces = jobs.filter((job) => job.run === run).map((job) => job.nonce)
    yield* rig.broker.cancel(run)
    equal((yield* rig.broker.run(run)).cancelling, true)
    equal((yield* rig.broker.run(run)).state, "running")
    const holding = jobs.map((job) => job.nonce)
    equal([...(yield* rig.broker.renew(worker.id, holding)).interrupt].sort(), [...nonces].sort())
    const settlement = yield* worker.settle([], 1)
    equal([...settlement.interrupt].sort(), [...nonces].sort())
    equal((yield* rig.broker.run(other)).state, "running")
  },

  *"ends what waits in the order of the plan, the outermost first"(rig) {
    const plan = PlanBuilder.make("order", (p) => {
      const outer = ["a", "b"].map((id) => p.task(id))
      const each = p.each("each", { over: "input" }, (p) => {
        const inner = p.task("inner", { gate: outer[0]! })
        p.task("after", { join: "settled", after: [settled(inner)], cleanup: true })
        return inner
      })
      const ends = outer.map((step, i) => p.task(`end${i}`, { join: "settled", after: [settled(step)], cleanup: true }))
      return p.pass("all", { after: [each, ...ends] })
    })
    const run = yield* rig.submit(plan, { elements: { each: Array.from({ length: 12 }, (_, i) => i) } })
    const worker = yield* rig.hand()
    const other = yield* rig.hand()
    const a = yield* worker.take("a")
    yield* worker.report(succeeded(a))
    yield* rig.broker.cancel(run)
    const names = (yield* other.claim()).map((job) => job.name)
    equal(names, ["end0", "end1", ...Array.from({ length: 12 }, (_, i) => `each[${i}].after`)])
  },

  *"records an interruption as cancelled, and has then nothing to stop any more"(rig) {
    const run = yield* rig.submit(tasks(2))
    const worker = yield* rig.hand()
    const jobs = yield* worker.claim()
    yield* rig.broker.cancel(run)
    const settlement = yield* worker.settle(
      jobs.map((job) => interrupted(job)),
      1
    )
    equal([settlement.receipts, settlement.interrupt], [["recorded", "recorded"], []])
    equal(yield* worker.report(interrupted(jobs[0]!)), ["already"])
    equal(yield* rig.states(run), { t0: "cancelled", t1: "cancelled", all: "cancelled" })
    equal((yield* rig.broker.run(run)).cancelling, false)
  },

  *"records a value that came first, and lets nothing start after it"(rig) {
    const run = yield* rig.submit(chain)
    const worker = yield* rig.hand()
    const job = yield* worker.take("a")
    yield* rig.broker.cancel(run)
    const settlement = yield* worker.settle([succeeded(job)], 10)
    equal([settlement.receipts, settlement.jobs], [["recorded"], []])
    equal(yield* rig.states(run), { a: "succeeded", b: "cancelled", c: "cancelled" })
    equal((yield* rig.broker.await(run)).state, "cancelled")
  },

  *"is how the run ends, also when its last node still succeeds or fails"(rig) {
    const [one, two] = [yield* rig.submit(tasks(1)), yield* rig.submit(tasks(1))]
    const worker = yield* rig.hand()
    const [first, second] = yield* worker.claim()
    yield* rig.broker.cancel(one)
    yield* rig.broker.cancel(two)
    yield* worker.report(succeeded(first!), failed(second!, "Boom"))
    equal((yield* rig.broker.await(one)).state, "cancelled")
    equal((yield* rig.broker.await(two)).state, "cancelled")
  },

  *"comes too late for an outcome that is known"(rig) {
    const plan = PlanBuilder.make("side", (p) => {
      const a = p.task("a")
      p.task("side", { after: [branch(a, 0)] })
      return a
    })
    const run = yield* rig.submit(plan)
    const worker = yield* rig.hand()
    yield* worker.play({ side: holding })
    equal(yield* rig.broker.cancel(run), true)
    const { interrupt } = yield* worker.settle([], 0)
    equal(interrupt.length, 1)
    yield* rig.broker.unregister(worker.id)
    equal(yield* rig.states(run), { a: "succeeded", side: "cancelled" })
    equal((yield* rig.broker.await(run)).state, "succeeded")
  },

  *"lets no delivery out once it has returned"(rig) {
    const run = yield* rig.submit(tasks(200))
    const worker = yield* rig.hand()
    const granted = yield* Effect.all(
      [
        Effect.forEach(Array.from({ length: 40 }), () => worker.claim(2)),
        rig.broker.cancel(run).pipe(Effect.andThen(Effect.forEach(Array.from({ length: 5 }), () => worker.claim(50))))
      ],
      { concurrency: "unbounded" }
    )
    equal(granted[1].flat(), [])
    yield* worker.report(...granted[0].flat().map((job) => interrupted(job)))
    equal((yield* rig.broker.await(run)).state, "cancelled")
  },

  *"lets no delivery of thousands out once it has returned"(rig) {
    const run = yield* rig.submit(map(), { elements: { each: Array.from({ length: 3_000 }, (_, i) => i) } })
    for (let i = 0; i < 10; i++) yield* rig.broker.sweep
    const worker = yield* rig.hand()
    yield* rig.broker.cancel(run)
    equal(yield* worker.claim(100), [])
    while ((yield* rig.broker.run(run)).state === "running") yield* rig.broker.sweep
    equal((yield* rig.broker.await(run)).state, "cancelled")
  },

  *"leaves nothing waiting behind the thousands it has ended"(rig) {
    const run = yield* rig.submit(map(), { elements: { each: Array.from({ length: 3_000 }, (_, i) => i) } })
    for (let i = 0; i < 10; i++) yield* rig.broker.sweep
    yield* rig.broker.cancel(run)
    while ((yield* rig.broker.run(run)).state === "running") yield* rig.broker.sweep
    yield* rig.submit(tasks(1))
    const worker = yield* rig.hand()
    equal((yield* worker.claim(1)).length, 1)
  },

  *"lets what no worker could run not come back"(rig) {
    const run = yield* rig.submit(tasks(2))
    const blind = yield* rig.hand({ tasks: ["else"] })
    equal(yield* blind.claim(), [])
    yield* rig.broker.cancel(run)
    equal((yield* rig.broker.queues)[0]?.ready ?? 0, 0)
    const worker = yield* rig.hand({ tasks: ["t"] })
    equal(yield* worker.claim(), [])
  },

  *"still grants cleanup, and ends the run after it"(rig) {
    const run = yield* rig.submit(ensured)
    const worker = yield* rig.hand()
    yield* worker.report(succeeded(yield* worker.take("open")))
    const work = yield* worker.take("work")
    yield* rig.broker.cancel(run)
    const settlement = yield* worker.settle([interrupted(work)], 10)
    equal(
      settlement.jobs.map((job) => job.name),
      ["close"]
    )
    equal(settlement.interrupt, [])
    equal((yield* rig.broker.run(run)).state, "running")
    yield* worker.report(succeeded(settlement.jobs[0]!))
    equal(yield* rig.states(run), {
      open: "succeeded",
      work: "cancelled",
      entry: "succeeded",
      close: "succeeded",
      end: "cancelled"
    })
    equal((yield* rig.broker.await(run)).state, "cancelled")
  },

  *"interrupts no cleanup that runs already"(rig) {
    const run = yield* rig.submit(ensured)
    const worker = yield* rig.hand()
    yield* worker.play({ close: holding })
    yield* rig.broker.cancel(run)
    equal((yield* worker.settle([], 0)).interrupt, [])
    equal((yield* rig.states(run))["close"], "running")
  },

  *"tries cleanup again as its policy says"(rig) {
    const plan = PlanBuilder.make("stubborn", (p) => {
      const a = p.task("a")
      const entry = p.pass("entry", { join: "settled", after: [settled(a)], cleanup: true })
      const policy = { attempts: 2, backoff: "fixed", base: 0, jitter: false } as const
      return p.task("close", { gate: entry, cleanup: true, policy })
    })
    const run = yield* rig.submit(plan)
    const worker = yield* rig.hand()
    yield* rig.broker.cancel(run)
    yield* worker.report(failed(yield* worker.take("close"), "Boom"))
    yield* rig.pass(0.1)
    yield* rig.broker.sweep
    equal((yield* worker.take("close")).attempt, 2)
  },

  *"runs no cleanup for what could never begin"(rig) {
    const run = yield* rig.submit(ensured)
    const worker = yield* rig.hand()
    yield* rig.broker.cancel(run)
    equal(yield* worker.play(), [])
    equal((yield* rig.states(run))["close"], "cancelled")
  },

  *"done twice has happened once"(rig) {
    const run = yield* rig.submit(tasks(2))
    const worker = yield* rig.hand()
    const [t0, t1] = yield* worker.claim()
    equal(yield* rig.broker.cancel(run), true)
    equal(yield* rig.broker.cancel(run), true)
    yield* worker.report(interrupted(t0!), interrupted(t1!))
    equal(yield* rig.broker.cancel(run), false)
    equal((yield* rig.broker.run(run)).state, "cancelled")
  },

  *"changes nothing in a run that has ended"(rig) {
    const run = yield* rig.submit(chain)
    const worker = yield* rig.hand()
    yield* worker.play()
    const before = yield* rig.broker.run(run)
    equal(yield* rig.broker.cancel(run), false)
    equal(yield* rig.broker.run(run), before)
  },

  *"reaches the instances of a forEach, and never makes the rest"(rig) {
    const run = yield* rig.submit(map(2), { elements: { each: [1, 2, 3, 4, 5] } })
    const worker = yield* rig.hand()
    const jobs = yield* worker.claim()
    yield* rig.broker.cancel(run)
    const settlement = yield* worker.settle([succeeded(jobs[0]!)], 10)
    equal(settlement.jobs, [])
    equal(yield* worker.report(interrupted(jobs[1]!)), ["recorded"])
    equal(yield* rig.states(run), {
      "each.fork": "succeeded",
      each: "cancelled",
      "each[0].double": "succeeded",
      "each[1].double": "cancelled"
    })
    equal((yield* rig.broker.await(run)).state, "cancelled")
  },

  *"makes no instances when their number comes after it, be it none"(rig) {
    const [three, none] = [yield* rig.submit(chord()), yield* rig.submit(chord())]
    const worker = yield* rig.hand()
    const [first, second] = yield* worker.claim()
    yield* rig.broker.cancel(three)
    yield* rig.broker.cancel(none)
    yield* worker.report(decided(first!, { each: [1, 2, 3] }), decided(second!, { each: [] }))
    const states = { list: "succeeded", "each.fork": "succeeded", each: "cancelled", sum: "cancelled" } as const
    equal(yield* rig.states(three), states)
    equal(yield* rig.states(none), states)
    equal((yield* rig.broker.await(three)).state, "cancelled")
  },

  *"cancels what waits for the settled ends of what is cancelled, unless it is cleanup"(rig) {
    const plan = PlanBuilder.make("settled", (p) => {
      const [a, b] = [p.task("a"), p.task("b")]
      p.pass("waits", { join: "settled", after: [settled(a), settled(b)] })
      p.pass("cleans", { join: "settled", after: [settled(a), settled(b)], cleanup: true })
      p.pass("gated", { gate: settled(b) })
      p.pass("gated cleanup", { gate: settled(b), cleanup: true })
      p.pass("after success", { after: [b], cleanup: true })
      return a
    })
    const run = yield* rig.submit(plan)
    const worker = yield* rig.hand({ tasks: ["a"] })
    const a = yield* worker.take("a")
    yield* rig.broker.cancel(run)
    yield* worker.report(succeeded(a))
    equal(yield* rig.states(run), {
      a: "succeeded",
      b: "cancelled",
      waits: "cancelled",
      cleans: "succeeded",
      gated: "cancelled",
      "gated cleanup": "succeeded",
      "after success": "cancelled"
    })
  },

  *"wakes the worker that is to stop"(rig) {
    const run = yield* rig.submit(tasks(1))
    const worker = yield* rig.hand()
    const [job] = yield* worker.claim()
    // A hint may be left over from the submission.
    const stale = yield* Effect.forkScoped(rig.broker.wake(worker.id), { startImmediately: true })
    yield* rig.pass(0.1)
    const waiting =
      stale.pollUnsafe() === undefined
        ? stale
        : yield* Effect.forkScoped(rig.broker.wake(worker.id), { startImmediately: true })
    yield* rig.broker.cancel(run)
    yield* rig.eventually(() => waiting.pollUnsafe() !== undefined)
    isTrue(waiting.pollUnsafe() !== undefined, "no hint came after a cancel")
    equal(yield* Fiber.join(waiting), "interrupt")
    const { interrupt } = yield* rig.broker.settle({ worker: worker.id, settlements: [], claim: 0 })
    equal(interrupt, [job!.nonce])
  },

  *"tells a worker what to stop, also when it reports on other runs only"(rig) {
    const runs: Array<string> = []
    for (let i = 0; i < 6; i++) runs.push(yield* rig.submit(tasks(1)))
    const worker = yield* rig.hand()
    const jobs = yield* worker.claim()
    const jobOf = (run: string | undefined): Job => jobs.find((job) => job.run === run)!
    for (const run of runs.slice(0, 3)) {
      yield* rig.broker.cancel(run)
      while ((yield* rig.broker.wake(worker.id)) !== "interrupt") {
        /* a hint that is left over */
      }
      const { interrupt } = yield* worker.settle([succeeded(jobOf(runs.pop()))], 0)
      equal(interrupt, [jobOf(run).nonce])
      yield* worker.report(interrupted(jobOf(run)))
    }
  }
})
