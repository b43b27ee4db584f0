import * as Effect from "effect/Effect"
import * as PlanBuilder from "../PlanBuilder.ts"
import { decided, failed, failing } from "./Answer.ts"
import { equal, group, isTrue } from "./Case.ts"
import { lose } from "./leases.ts"
import { chord, single } from "./plans.ts"
import type { Rig } from "./Rig.ts"

const list = (rig: Rig, limit = 100) =>
  Effect.map(rig.broker.dead({ limit }), (letters) => letters.map(({ node, run }) => `${run}/${node}`))

/** Two workers die over the node, and it is given up. */
const giveUp = Effect.fnUntraced(function* (rig: Rig, name: string) {
  yield* lose(rig, name)
  yield* lose(rig, name)
})

/** Leases of 4 units, and 2 deliveries. Ended runs are kept for 30 units. */
export const deadLetters = group(
  "dead letters",
  {
    *"tell of a node over which too many workers died"(rig) {
      const policy = { attempts: 2, backoff: "fixed", base: 0, jitter: false, queue: "frail" } as const
      const plan = PlanBuilder.make("reels", (p) =>
        p.each("each", { over: "input" }, (p) => p.task("cut", { task: "scissors", policy }))
      )
      const run = yield* rig.submit(plan, { elements: { each: [1] } })
      const worker = yield* rig.hand({ queues: ["frail"] })
      yield* worker.report(failed(yield* worker.take("each[0].cut"), "Boom"))
      yield* rig.broker.unregister(worker.id)
      yield* rig.pass(0.1)
      yield* rig.broker.sweep
      yield* lose(rig, "each[0].cut", { queues: ["frail"] })
      equal(yield* rig.broker.dead({ limit: 10 }), [])
      yield* lose(rig, "each[0].cut", { queues: ["frail"] })
      const { endedAt } = yield* rig.broker.run(run)
      equal(yield* rig.broker.dead({ limit: 10 }), [
        {
          run,
          flow: "reels",
          state: "failed",
          node: "each[0].cut",
          address: PlanBuilder.addressOf(plan, "each[0].cut"),
          task: "scissors",
          queue: "frail",
          attempt: 2,
          lost: 2,
          since: endedAt!
        }
      ])
    },

    *"tell nothing of nodes that failed otherwise"(rig) {
      yield* rig.submit(single())
      const worker = yield* rig.hand()
      yield* worker.play({ a: failing("PoisonPill", { declared: false }) })
      equal(yield* list(rig), [])
    },

    *"come newest first, no more than asked for"(rig) {
      for (const id of ["one", "two", "three"]) {
        yield* rig.submit(single(), { id })
        yield* giveUp(rig, "a")
      }
      equal(yield* list(rig), ["three/a", "two/a", "one/a"])
      equal(yield* list(rig, 2), ["three/a", "two/a"])
    },

    *"go when a retry starts the node again, and come back when it is given up again"(rig) {
      const run = yield* rig.submit(single())
      yield* giveUp(rig, "a")
      yield* rig.broker.retry(run)
      equal(yield* list(rig), [])
      yield* lose(rig, "a")
      equal(yield* list(rig), [])
      yield* lose(rig, "a")
      equal(yield* list(rig), [`${run}/a`])
      yield* rig.broker.retry(run)
      const worker = yield* rig.hand()
      yield* worker.play()
      equal([(yield* rig.broker.await(run)).state, yield* list(rig)], ["succeeded", []])
    },

    *"go with their instance when a retry decides that there is none"(rig) {
      const run = yield* rig.submit(chord())
      const worker = yield* rig.hand()
      yield* worker.report(decided(yield* worker.take("list"), { each: [1] }))
      yield* rig.broker.unregister(worker.id)
      yield* giveUp(rig, "each[0].double")
      equal(yield* list(rig), [`${run}/each[0].double`])
      yield* rig.broker.retry(run, "0")
      const other = yield* rig.hand()
      yield* other.play({ list: (job) => decided(job, { each: [] }) })
      equal([(yield* rig.broker.await(run)).state, yield* list(rig)], ["succeeded", []])
    },

    *"stay when the failure was handled, also over a retry that leaves the node as it is"(rig) {
      const plan = PlanBuilder.make("handled", (p) => {
        const caught = p.catch("c", { of: p.task("a"), failure: ["PoisonPill"] }, (p) => p.task("h"))
        return p.task("b", { after: [caught] })
      })
      const run = yield* rig.submit(plan)
      yield* giveUp(rig, "a")
      isTrue((yield* rig.broker.dead({ limit: 1 }))[0]?.state === "running", "the run goes on with what handles it")
      const worker = yield* rig.hand()
      yield* worker.play({ b: failing("Boom") })
      yield* rig.broker.retry(run)
      equal(yield* worker.play(), ["b"])
      equal([(yield* rig.broker.await(run)).state, yield* list(rig)], ["succeeded", [`${run}/a`]])
    },

    *"go with their run, and not to another under its id"(rig) {
      yield* rig.submit(single(), { id: "run" })
      yield* giveUp(rig, "a")
      yield* rig.pass(31)
      equal((yield* rig.broker.sweep).removed, 1)
      equal(yield* list(rig), [])
      yield* rig.submit(single(), { id: "run", input: 2 })
      const worker = yield* rig.hand()
      yield* worker.play({ a: failing("PoisonPill", { declared: false }) })
      equal(yield* list(rig), [])
    }
  },
  (unit) => ({ lease: 4 * unit, maxDeliveries: 2, retention: { age: 30 * unit, count: 10_000 } })
)
