import * as Effect from "effect/Effect"
import * as PlanBuilder from "../PlanBuilder.ts"
import { equal, group, isTrue } from "./Case.ts"
import { chain, group as tasks, single } from "./plans.ts"
import type { Job } from "./Answer.ts"
import type { HandOptions, Rig } from "./Rig.ts"
import { failed, interrupted, succeeded } from "./Answer.ts"

const names = (jobs: ReadonlyArray<Job>): ReadonlyArray<string> => jobs.map((job) => job.name)

/** A worker takes one node and is not heard of again. */
export const lose = Effect.fnUntraced(function* (rig: Rig, name: string, options: HandOptions = {}) {
  const worker = yield* rig.hand(options)
  const job = yield* worker.take(name)
  yield* rig.pass(5)
  equal((yield* rig.broker.sweep).workers, 1)
  return { worker, job }
})

/** Of three nodes a worker that lives holds one; one that died held another. */
const loseBeside = Effect.fnUntraced(function* (rig: Rig) {
  yield* rig.submit(tasks(3))
  const busy = yield* rig.hand({ tasks: ["t"] })
  const mine = yield* busy.take("t0")
  yield* (yield* rig.hand()).take("t1")
  for (const units of [2, 3]) {
    yield* rig.pass(units)
    yield* rig.broker.renew(busy.id, [mine.nonce])
  }
  equal((yield* rig.broker.sweep).workers, 1)
  return { busy, mine }
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

    *"let a node whose worker died be claimed alone"(rig) {
      yield* rig.submit(tasks(4))
      yield* lose(rig, "t0")
      const worker = yield* rig.hand()
      const jobs = yield* worker.claim(10)
      equal(names(jobs), ["t0"])
      equal(yield* worker.claim(10), [])
      const rest = yield* worker.settle([succeeded(jobs[0]!)], 10)
      equal(names(rest.jobs), ["t1", "t2", "t3"])
    },

    *"keep a suspect apart that was given back"(rig) {
      yield* rig.submit(tasks(3))
      yield* lose(rig, "t0")
      const worker = yield* rig.hand()
      yield* worker.release(yield* worker.take("t0"))
      const [job, ...others] = yield* worker.claim(10)
      equal([job?.name, job?.lost, others], ["t0", 1, []])
    },

    *"give a suspect out again to who gives it back with the claim"(rig) {
      const run = yield* rig.submit(tasks(2))
      yield* lose(rig, "t0")
      const worker = yield* rig.hand()
      const suspect = yield* worker.take("t0")
      const { jobs } = yield* worker.settle([interrupted(suspect)], 10)
      equal(names(jobs), ["t0"])
      equal(names((yield* worker.settle([interrupted(jobs[0]!)], 0)).jobs), [])
      yield* worker.play()
      equal((yield* rig.broker.await(run)).state, "succeeded")
    },

    *"never give a worker a suspect beside what it holds"(rig) {
      yield* rig.submit(tasks(4))
      const busy = yield* rig.hand({ tasks: ["t"] })
      const dying = yield* rig.hand()
      const mine = yield* busy.take("t0")
      yield* dying.take("t1")
      yield* rig.pass(2)
      yield* rig.broker.renew(busy.id, [mine.nonce])
      yield* rig.pass(3)
      yield* rig.broker.renew(busy.id, [mine.nonce])
      equal((yield* rig.broker.sweep).workers, 1)
      isTrue(!names(yield* busy.claim(1)).includes("t1"), "a busy worker was given the suspect")
      const held = names((yield* busy.settle([succeeded(mine)], 10)).jobs)
      isTrue(held.length === 1 || !held.includes("t1"), `the suspect came with others: ${held}`)
    },

    *"keep a suspect apart that was cancelled and retried before"(rig) {
      const run = yield* rig.submit(tasks(4))
      yield* rig.broker.cancel(run)
      yield* rig.broker.retry(run)
      const [dying, busy] = [yield* rig.hand(), yield* rig.hand()]
      yield* dying.take("t0")
      yield* rig.pass(3)
      const mine = yield* busy.take("t1")
      yield* rig.broker.renew(busy.id, [mine.nonce])
      yield* rig.pass(2)
      equal((yield* rig.broker.sweep).workers, 1)
      const beside = names(yield* busy.claim(10))
      isTrue(!beside.includes("t0"), `the suspect came to a busy worker: ${beside}`)
      const others = names(yield* (yield* rig.hand()).claim(10))
      isTrue(others.length === 1 || !others.includes("t0"), `the suspect came with others: ${others}`)
    },

    *"give a suspect to an idle worker while another is busy"(rig) {
      yield* rig.submit(tasks(3))
      const dying = yield* rig.hand({ tasks: ["t"] })
      yield* dying.take("t0")
      yield* rig.pass(3)
      const busy = yield* rig.hand()
      yield* busy.take("t1")
      yield* rig.pass(2)
      equal((yield* rig.broker.sweep).workers, 1)
      const idle = yield* rig.hand()
      equal(names(yield* idle.claim(10)), ["t0"])
    },

    *"let a suspect wait for a busy worker, though not for ever"(rig) {
      const { busy, mine } = yield* loseBeside(rig)
      let jobs = yield* busy.claim(10)
      equal(jobs, [])
      for (let i = 0; i < 8 && jobs.length === 0; i++) {
        yield* rig.pass(2)
        yield* rig.broker.renew(busy.id, [mine.nonce])
        jobs = yield* busy.claim(10)
      }
      equal(names(jobs), ["t1"])
    },

    *"let a suspect go to another when the worker it waits for has not become free for a lease"(rig) {
      const { busy, mine } = yield* loseBeside(rig)
      equal(yield* busy.claim(10), [])
      equal(names(yield* (yield* rig.hand()).claim(10)), ["t2"])
      for (let i = 0; i < 2; i++) {
        yield* rig.pass(2.5)
        yield* rig.broker.renew(busy.id, [mine.nonce])
      }
      equal(names(yield* (yield* rig.hand()).claim(10)), ["t1"])
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
