import * as Effect from "effect/Effect"
import { equal, group, isTrue, sameMembers } from "./Case.ts"
import { chain, single } from "./plans.ts"
import type { Rig } from "./Rig.ts"
import { failing } from "./Answer.ts"

const ids = (rig: Rig) => Effect.map(rig.broker.runs({ limit: 100 }), (runs) => runs.map(({ id }) => id))

/** Sweeps until nothing is removed any more; returns how many runs were. */
const sweepAll = Effect.fnUntraced(function* (rig: Rig) {
  let removed = 0
  for (;;) {
    const swept = yield* rig.broker.sweep
    if (swept.removed === 0) return removed
    removed += swept.removed
  }
})

/** What is kept; each of several partitions keeps as many as one would, so more than these may be there. */
const keeps = Effect.fnUntraced(function* (rig: Rig, expected: ReadonlyArray<string>) {
  const kept = yield* ids(rig)
  if (rig.partitions === 1) return sameMembers(kept, expected)
  sameMembers(
    kept.filter((id) => expected.includes(id)),
    expected
  )
  for (const state of ["succeeded", "failed", "cancelled"] as const) {
    const count = (yield* rig.broker.runs({ state, limit: 100 })).length
    isTrue(count <= 3 * rig.partitions, `${count} runs are kept that ${state}`)
  }
})

/** Ended runs are kept for 6 units, and 3 of each state. */
export const retention = group(
  "retention",
  {
    *"keeps of every state the runs that ended last"(rig) {
      for (const id of ["s1", "f1", "s2", "s3", "f2", "s4", "s5"]) yield* rig.submit(single(), { id })
      for (const id of ["c1", "c2", "c3", "c4"]) yield* rig.submit(single({ queue: "idle" }), { id })
      const worker = yield* rig.hand()
      yield* worker.play({ a: (job) => (job.run.startsWith("f") ? failing("Boom")(job) : undefined) })
      const other = yield* rig.hand()
      yield* rig.broker.unregister(worker.id)
      yield* other.play()
      for (const id of ["c1", "c2", "c3", "c4"]) yield* rig.broker.cancel(id)
      yield* sweepAll(rig)
      yield* keeps(rig, ["f1", "f2", "s3", "s4", "s5", "c2", "c3", "c4"])
    },

    *"removes a run when it has been ended for long enough, not before"(rig) {
      yield* rig.submit(single(), { id: "early" })
      const worker = yield* rig.hand()
      yield* worker.play()
      yield* rig.pass(4)
      yield* rig.submit(single(), { id: "late" })
      yield* worker.play()
      equal(yield* sweepAll(rig), 0)
      yield* rig.pass(3)
      equal(yield* sweepAll(rig), 1)
      equal(yield* ids(rig), ["late"])
      equal(yield* rig.broker.sweep, { timers: 0, late: 0, workers: 0, removed: 0 })
    },

    *"removes nothing that is running, however old"(rig) {
      yield* rig.submit(chain, { id: "old" })
      const worker = yield* rig.hand()
      yield* worker.take("a")
      yield* rig.pass(20)
      yield* rig.broker.renew(worker.id, [])
      equal(yield* sweepAll(rig), 0)
      equal((yield* rig.broker.run("old")).state, "running")
    },

    *"forgets a removed run as if it had never been"(rig) {
      yield* rig.submit(single(), { id: "run", input: 1 })
      const worker = yield* rig.hand()
      yield* worker.play()
      yield* rig.pass(7)
      equal(yield* sweepAll(rig), 1)
      equal((yield* Effect.flip(rig.broker.run("run")))._tag, "RunNotFound")
      equal((yield* Effect.flip(rig.broker.await("run")))._tag, "RunNotFound")
      equal((yield* Effect.flip(rig.broker.retry("run")))._tag, "RunNotFound")
      equal(yield* rig.submitted(single(), { id: "run", input: 2 }), { created: true })
      equal(yield* worker.play(), ["a"])
    },

    *"takes a run that ended again as one that ended last"(rig) {
      const worker = yield* rig.hand({ tasks: ["a"] })
      for (const id of ["one", "two", "three"]) {
        yield* rig.submit(single(), { id })
        yield* worker.play({ a: failing("Boom") })
      }
      yield* rig.broker.retry("one")
      yield* worker.play({ a: failing("Boom") })
      yield* sweepAll(rig)
      yield* rig.submit(single(), { id: "four" })
      yield* worker.play({ a: failing("Boom") })
      yield* sweepAll(rig)
      yield* keeps(rig, ["one", "three", "four"])
    },

    *"counts from the end of the last generation"(rig) {
      yield* rig.submit(single(), { id: "run" })
      const worker = yield* rig.hand()
      yield* worker.play({ a: failing("Boom") })
      yield* rig.pass(5)
      yield* rig.broker.retry("run")
      yield* rig.pass(5)
      equal(yield* sweepAll(rig), 0)
      yield* worker.play()
      yield* rig.pass(3)
      equal(yield* sweepAll(rig), 0)
      isTrue((yield* ids(rig)).includes("run"), "a run was removed that ended a short while ago")
      yield* rig.pass(4)
      equal(yield* sweepAll(rig), 1)
    }
  },
  (unit) => ({ retention: { age: 6 * unit, count: 3 } })
)
