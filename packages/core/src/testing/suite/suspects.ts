import * as Effect from "effect/Effect"
import type { Job } from "./Answer.ts"
import { interrupted, succeeded } from "./Answer.ts"
import { equal, group, isTrue } from "./Case.ts"
import { lose } from "./leases.ts"
import { group as tasks } from "./plans.ts"
import type { Rig } from "./Rig.ts"

const names = (jobs: ReadonlyArray<Job>): ReadonlyArray<string> => jobs.map((job) => job.name)

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

/** A node is given up when two workers have died over it, so it is a suspect after the first. Leases of 4 units. */
export const suspects = group(
  "suspects",
  {
    *"let a node whose worker died be claimed alone"(rig) {
      yield* rig.submit(tasks(4))
      yield* lose(rig, "t0")
      const worker = yield* rig.hand()
      const jobs = yield* worker.claim(10)
      equal(names(jobs), ["t0"])
      equal(yield* worker.claim(10), [])
      const rest = yield* worker.settle([succeeded(jobs[0]!)], 10)
      equal(names(rest.jobs), ["t1", "t2", "t3"])
      yield* rig.submit(tasks(1))
      equal(names(yield* worker.claim(10)), ["t0"])
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
    }
  },
  (unit) => ({ lease: 4 * unit, maxDeliveries: 2 })
)
