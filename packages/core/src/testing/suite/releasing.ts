import * as Effect from "effect/Effect"
import * as PlanBuilder from "../PlanBuilder.ts"
import { equal, group, isTrue } from "./Case.ts"
import { group as tasks, single } from "./plans.ts"
import type { Job } from "./Answer.ts"
import { failed, interrupted, succeeded } from "./Answer.ts"

const names = (jobs: ReadonlyArray<Job>): ReadonlyArray<string> => jobs.map((job) => job.name)

export const releasing = group("release", {
  *"puts claims first in their queue again, in their order"(rig) {
    yield* rig.submit(tasks(5))
    const worker = yield* rig.hand()
    const [t0, t1, t2] = yield* worker.claim(3)
    yield* worker.report(succeeded(t1!))
    yield* worker.release(t0!, t2!)
    equal(names(yield* worker.claim()), ["t0", "t2", "t3", "t4"])
  },

  *"counts no attempt and no delivery, and fences the old one off"(rig) {
    const run = yield* rig.submit(single())
    const worker = yield* rig.hand()
    const other = yield* rig.hand()
    const first = yield* worker.take("a")
    yield* worker.release(first)
    const second = yield* other.take("a")
    equal([second.attempt, second.lost], [1, 0])
    isTrue(second.nonce !== first.nonce, "a new delivery needs a new nonce")
    equal(yield* worker.report(succeeded(first, "late")), ["stale"])
    equal(yield* other.report(succeeded(second, "right")), ["recorded"])
    equal(yield* rig.read(run, "a"), [{ _tag: "Succeeded", value: '"right"' }])
  },

  *"gives every delivery of a node a greater fence than those before, whatever became of them"(rig) {
    const policy = { attempts: 2, backoff: "fixed", base: 0, jitter: false } as const
    const run = yield* rig.submit(single(policy))
    const worker = yield* rig.hand()
    const fences: Array<number> = []
    const taken = Effect.tap(worker.take("a"), ({ fence }) => Effect.sync(() => fences.push(fence)))
    yield* worker.release(yield* taken)
    yield* worker.report(interrupted(yield* taken))
    yield* worker.report(failed(yield* taken, "Boom"))
    yield* rig.pass(0.1)
    yield* rig.broker.sweep
    yield* worker.report(failed(yield* taken, "Boom"))
    yield* rig.broker.retry(run)
    yield* taken
    equal(fences.length, 5)
    isTrue(
      fences.every((fence, i) => Number.isSafeInteger(fence) && (i === 0 || fence > fences[i - 1]!)),
      `the fences of one node do not grow: ${fences}`
    )
  },

  *"passes over claims that the worker does not hold"(rig) {
    const run = yield* rig.submit(tasks(2))
    const worker = yield* rig.hand()
    const other = yield* rig.hand()
    const job = yield* worker.take("t0")
    yield* other.release(job)
    yield* worker.release({ ...job, nonce: "guessed" }, { ...job, run: "nobody", nonce: "guessed" })
    equal((yield* rig.states(run))["t0"], "running")
    yield* worker.release(job)
    yield* worker.release(job)
    equal(names(yield* other.claim()), ["t0", "t1"])
  },

  *"puts what is interrupted first as well, also for the claim that comes along with it"(rig) {
    yield* rig.submit(tasks(6))
    const worker = yield* rig.hand()
    const [t0, t1, t2] = yield* worker.claim(3)
    const stopped = yield* worker.settle([interrupted(t2!), interrupted(t1!), interrupted(t0!)], 2)
    equal(names(stopped.jobs), ["t0", "t1"])
    const again = yield* worker.settle([interrupted(stopped.jobs[0]!)], 3)
    equal(names(again.jobs), ["t0", "t2", "t3"])
    equal(names(yield* worker.claim()), ["t4", "t5"])
  },

  *"gives back what is settled never"(rig) {
    const run = yield* rig.submit(single())
    const worker = yield* rig.hand()
    const job = yield* worker.take("a")
    yield* worker.report(succeeded(job))
    yield* worker.release(job)
    equal(yield* rig.states(run), { a: "succeeded" })
  },

  *"of a worker that leaves gives back all it holds"(rig) {
    const run = yield* rig.submit(tasks(4))
    const worker = yield* rig.hand()
    const other = yield* rig.hand()
    const jobs = yield* worker.claim(3)
    yield* rig.broker.unregister(worker.id)
    yield* rig.broker.unregister(worker.id)
    equal(
      (yield* rig.broker.workers).map(({ id }) => id),
      [other.id]
    )
    equal((yield* rig.states(run))["t0"], "ready")
    equal(yield* worker.report(succeeded(jobs[0]!)), ["stale"])
    const again = yield* other.claim()
    equal(names(again), ["t0", "t1", "t2", "t3"])
    equal(
      again.map(({ attempt, lost }) => [attempt, lost]),
      [
        [1, 0],
        [1, 0],
        [1, 0],
        [1, 0]
      ]
    )
  },

  *"is not what a worker does that stops waiting: it keeps what it has, and is given what it asks for"(rig) {
    const run = yield* rig.submit(tasks(2))
    const worker = yield* rig.hand()
    const [t0] = yield* worker.claim(1)
    yield* rig.broker.stopWaiting(worker.id)
    equal(names(yield* worker.claim()), ["t1"])
    equal(yield* worker.report(succeeded(t0!)), ["recorded"])
    equal(yield* rig.states(run), { t0: "succeeded", t1: "running", all: "blocked" })
  },

  *"by an unknown worker does nothing"(rig) {
    const run = yield* rig.submit(single())
    const worker = yield* rig.hand()
    const job = yield* worker.take("a")
    yield* rig.broker.release("nobody", [job])
    yield* rig.broker.stopWaiting("nobody")
    yield* rig.broker.unregister("nobody")
    equal(yield* rig.states(run), { a: "running" })
  },

  *"ends the node when another report of the same call closes the run"(rig) {
    const run = yield* rig.submit(tasks(3))
    const worker = yield* rig.hand()
    const [t0, t1, t2] = yield* worker.claim()
    yield* worker.report(interrupted(t0!), failed(t1!, "Boom"))
    equal((yield* rig.states(run))["t0"], "cancelled")
    yield* worker.report(interrupted(t2!))
    equal((yield* rig.broker.await(run)).state, "failed")
  },

  *"lets the node wait anew until it expires"(rig) {
    const plan = PlanBuilder.make("expiring", (p) => p.task("a", { policy: { expires: 4 * rig.unit } }))
    const run = yield* rig.submit(plan)
    const worker = yield* rig.hand()
    const job = yield* worker.take("a")
    yield* rig.pass(3)
    yield* rig.broker.renew(worker.id, [job.nonce])
    yield* worker.release(job)
    yield* rig.pass(2)
    yield* rig.broker.sweep
    equal(yield* rig.states(run), { a: "ready" })
    yield* rig.pass(3)
    yield* rig.broker.sweep
    equal(yield* rig.states(run), { a: "failed" })
    const { failure } = yield* rig.broker.await(run)
    equal([failure?.failed.tag, failure?.attempt], ["Expired", 1])
  },

  *"ends the node when its run is being cancelled"(rig) {
    const run = yield* rig.submit(tasks(2))
    const worker = yield* rig.hand()
    const [t0, t1] = yield* worker.claim()
    yield* rig.broker.cancel(run)
    yield* worker.release(t0!)
    equal(yield* rig.states(run), { t0: "cancelled", t1: "running", all: "cancelled" })
    yield* worker.report(interrupted(t1!))
    equal((yield* rig.broker.await(run)).state, "cancelled")
  }
})
