import * as Effect from "effect/Effect"
import * as PlanBuilder from "../PlanBuilder.ts"
import { equal, group, isTrue } from "./Case.ts"
import { chain, group as tasks, single } from "./plans.ts"
import type { Job } from "./Answer.ts"
import type { HandOptions, Rig } from "./Rig.ts"
import { failed, succeeded } from "./Answer.ts"

const names = (jobs: ReadonlyArray<Job>): ReadonlyArray<string> => jobs.map((job) => job.name)

/** A worker takes one node and is not heard of again. */
export const lose = Effect.fnUntraced(function* (rig: Rig, name: string, options: HandOptions = {}) {
  const worker = yield* rig.hand(options)
  const job = yield* worker.take(name)
  yield* rig.pass(5)
  equal((yield* rig.broker.sweep).workers, 1)
  return { worker, job }
})

/** Leases of 4 units. */
export const leases = group(
  "leases",
  {
    *"keep what a worker holds while it renews"(rig) {
      equal(rig.broker.lease, 4 * rig.unit)
      yield* rig.submit(single())
      const worker = yield* rig.hand()
      const job = yield* worker.take("a")
      for (let i = 0; i < 4; i++) {
        yield* rig.pass(2)
        equal(yield* rig.broker.renew(worker.id, [job.nonce]), { lost: [], interrupt: [], unknown: false })
        equal((yield* rig.broker.sweep).workers, 0)
      }
      equal(yield* worker.report(succeeded(job)), ["recorded"])
    },

    *"are not over before their time"(rig) {
      const run = yield* rig.submit(single())
      const worker = yield* rig.hand()
      yield* worker.take("a")
      yield* rig.pass(2)
      equal((yield* rig.broker.sweep).workers, 0)
      equal(yield* rig.states(run), { a: "running" })
    },

    *"return what a silent worker held, once, as lost"(rig) {
      const run = yield* rig.submit(tasks(2))
      const { job } = yield* lose(rig, "t0")
      equal((yield* rig.broker.sweep).workers, 0)
      equal(yield* rig.broker.workers, [])
      const view = yield* rig.node(run, "t0")
      equal([view.state, view.attempt, view.lost, view.worker], ["ready", 1, 1, undefined])
      equal((yield* rig.broker.queues)[0]?.ready, 2)
      const worker = yield* rig.hand()
      const again = yield* worker.take("t0")
      equal([again.attempt, again.lost], [1, 1])
      isTrue(again.nonce !== job.nonce, "a new delivery needs a new nonce")
      isTrue(again.fence > job.fence, "a new delivery needs a greater fence")
    },

    *"make what the dead worker still reports stale"(rig) {
      const run = yield* rig.submit(single())
      const { job, worker } = yield* lose(rig, "a")
      const settled = yield* worker.settle([succeeded(job, "late")], 1)
      equal([settled.receipts, settled.unknown, settled.jobs], [["stale"], true, []])
      const other = yield* rig.hand()
      const again = yield* other.take("a")
      equal(yield* worker.report(succeeded(job, "later")), ["stale"])
      equal(yield* other.report(succeeded(again, "right")), ["recorded"])
      equal(yield* rig.read(run, "a"), [{ _tag: "Succeeded", value: '"right"' }])
    },

    *"tell a worker that comes back that it is unknown and what it lost, and let it register again"(rig) {
      yield* rig.submit(single())
      const { job, worker } = yield* lose(rig, "a")
      equal(yield* rig.broker.renew(worker.id, [job.nonce]), { lost: [job.nonce], interrupt: [], unknown: true })
      yield* rig.hand({ id: worker.id })
      equal(yield* rig.broker.renew(worker.id, [job.nonce]), { lost: [job.nonce], interrupt: [], unknown: false })
      equal(yield* worker.play(), ["a"])
    },

    *"tell a worker which of its nonces the broker knows nothing of"(rig) {
      yield* rig.submit(tasks(3))
      const worker = yield* rig.hand()
      const [t0, t1, t2] = yield* worker.claim()
      yield* worker.report(succeeded(t0!))
      yield* worker.release(t1!)
      const renewed = yield* rig.broker.renew(worker.id, [t0!.nonce, t1!.nonce, t2!.nonce, "guessed"])
      equal(renewed, { lost: [t0!.nonce, t1!.nonce, "guessed"], interrupt: [], unknown: false })
    },

    *"return what was lost first in its queue, in the order it was claimed, and with the others"(rig) {
      yield* rig.submit(tasks(4))
      const dying = yield* rig.hand()
      yield* dying.claim(2)
      yield* rig.pass(5)
      equal((yield* rig.broker.sweep).workers, 1)
      const worker = yield* rig.hand()
      const mine = yield* worker.claim(1)
      yield* worker.release(...mine)
      const jobs = yield* worker.claim(3)
      equal(names([...jobs, ...(yield* worker.claim(3))]), ["t0", "t1", "t2", "t3"])
      equal(
        jobs.map(({ lost }) => lost),
        [1, 1, 0]
      )
    },

    *"let what was lost twice be claimed alone"(rig) {
      yield* rig.submit(tasks(3))
      yield* lose(rig, "t0")
      yield* lose(rig, "t0")
      const worker = yield* rig.hand()
      const [job, ...others] = yield* worker.claim(10)
      equal([job?.name, job?.lost, others], ["t0", 2, []])
      equal(names((yield* worker.settle([succeeded(job!)], 10)).jobs), ["t1", "t2"])
    },

    *"fail a node over which too many workers died"(rig) {
      const run = yield* rig.submit(single({ attempts: 5 }))
      for (const lost of [1, 2, 3]) {
        const { job } = yield* lose(rig, "a")
        equal([job.attempt, job.lost], [1, lost - 1])
      }
      equal(yield* rig.states(run), { a: "failed" })
      const { failure } = yield* rig.broker.await(run)
      equal([failure?.attempt, failure?.failed.tag, failure?.failed.declared], [1, "PoisonPill", false])
      equal(JSON.parse(failure!.failed.error), { _tag: "PoisonPill", deliveries: 3 })
    },

    *"let a handler catch that"(rig) {
      const plan = PlanBuilder.make("caught", (p) =>
        p.catch("c", { of: p.task("a"), failure: ["PoisonPill"] }, (p) => p.task("h"))
      )
      const run = yield* rig.submit(plan)
      for (let i = 0; i < 3; i++) yield* lose(rig, "a")
      const worker = yield* rig.hand()
      equal(yield* worker.play(), ["h"])
      equal((yield* rig.broker.await(run)).state, "succeeded")
    },

    *"count lost deliveries per attempt"(rig) {
      yield* rig.submit(single({ attempts: 2, backoff: "fixed", base: 0, jitter: false }))
      yield* lose(rig, "a")
      yield* lose(rig, "a")
      const worker = yield* rig.hand()
      yield* worker.report(failed(yield* worker.take("a"), "Boom"))
      yield* rig.pass(0.1)
      yield* rig.broker.sweep
      const job = yield* worker.take("a")
      equal([job.attempt, job.lost], [2, 0])
    },

    *"of several silent workers are ended by one of many sweeps"(rig) {
      const run = yield* rig.submit(tasks(6))
      for (let i = 0; i < 3; i++) yield* (yield* rig.hand()).claim(2)
      yield* rig.pass(5)
      const sweeps = yield* Effect.all(
        Array.from({ length: 5 }, () => rig.broker.sweep),
        { concurrency: "unbounded" }
      )
      equal(
        sweeps.reduce((sum, { workers }) => sum + workers, 0),
        3
      )
      const views = (yield* rig.nodes(run)).slice(0, 6)
      equal(
        views.map(({ lost, state }) => [state, lost]),
        views.map(() => ["ready", 1])
      )
      const worker = yield* rig.hand()
      equal((yield* worker.play()).length, 6)
    },

    *"of several silent workers are all ended by one sweep"(rig) {
      yield* rig.submit(tasks(3))
      for (let i = 0; i < 3; i++) yield* (yield* rig.hand()).claim(1)
      yield* rig.pass(5)
      equal((yield* rig.broker.sweep).workers, 3)
    },

    *"end what a dead worker held of a run that is being cancelled"(rig) {
      const run = yield* rig.submit(chain)
      const worker = yield* rig.hand()
      yield* worker.take("a")
      yield* rig.broker.cancel(run)
      equal((yield* rig.broker.run(run)).state, "running")
      yield* rig.pass(5)
      yield* rig.broker.sweep
      equal(yield* rig.states(run), { a: "cancelled", b: "cancelled", c: "cancelled" })
      equal((yield* rig.broker.await(run)).state, "cancelled")
    }
  },
  (unit) => ({ lease: 4 * unit })
)
