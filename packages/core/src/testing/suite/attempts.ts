import * as Effect from "effect/Effect"
import type { Event, NodeView } from "../../Broker.ts"
import * as PlanBuilder from "../PlanBuilder.ts"
import { equal, group, isTrue } from "./Case.ts"
import { chain, group as tasks, single } from "./plans.ts"
import type { Rig } from "./Rig.ts"
import { failed, failing, failureOf, interrupted, succeeded } from "./Answer.ts"

/** Listens to everything; a run of its own makes the first event. */
const listen = (rig: Rig) => {
  const nothing = PlanBuilder.make("nothing", (p) => p.pass("all"))
  return rig.watch(
    undefined,
    Effect.suspend(() => rig.submit(nothing))
  )
}

type Retrying = Extract<Event, { _tag: "NodeRetrying" }>
const retryings = (events: ReadonlyArray<Event>): ReadonlyArray<Retrying> =>
  events.filter((event) => event._tag === "NodeRetrying")

/** The delays, in milliseconds, before each further attempt of a node that fails `times` times. */
const delays = Effect.fnUntraced(function* (rig: Rig, policy: Parameters<typeof single>[0], times: number) {
  const { seen } = yield* listen(rig)
  yield* rig.submit(single({ attempts: times + 1, ...policy }))
  const worker = yield* rig.hand()
  for (let i = 0; i < times; i++) {
    yield* worker.report(failed(yield* worker.take("a"), "Boom"))
    yield* rig.eventually(() => retryings(seen).length > i)
    yield* rig.pass(9)
    yield* rig.broker.sweep
  }
  return retryings(seen).map((event) => event.dueAt - event.at)
})

const attemptOf = ({ attempt, state }: NodeView) => ({ attempt, state })

export const attempts = group("attempts", {
  *"fails for good when the attempts are used up, with the last error"(rig) {
    const run = yield* rig.submit(single({ attempts: 3, backoff: "fixed", base: rig.unit, jitter: false }))
    const worker = yield* rig.hand()
    for (const attempt of [1, 2, 3]) {
      const job = yield* worker.take("a")
      equal(job.attempt, attempt)
      yield* worker.report(failed(job, `Boom${attempt}`))
      yield* rig.pass(2)
      yield* rig.broker.sweep
    }
    equal(yield* worker.claim(), [])
    equal((yield* rig.broker.await(run)).failure, { node: "0", attempt: 3, failed: failureOf("Boom3") })
    equal((yield* rig.broker.run(run)).nodes[0]?.retries, 2)
  },

  *"tries once when nothing else is said"(rig) {
    const run = yield* rig.submit(single())
    const worker = yield* rig.hand()
    equal(yield* worker.play({ a: failing("Boom") }), ["a"])
    equal((yield* rig.broker.await(run)).failure?.attempt, 1)
  },

  *"goes on with the value when a later attempt succeeds"(rig) {
    const run = yield* rig.submit(single({ attempts: 3, backoff: "fixed", base: rig.unit, jitter: false }))
    const worker = yield* rig.hand()
    const first = failed(yield* worker.take("a"), "Boom")
    yield* worker.report(first)
    yield* rig.pass(2)
    yield* rig.broker.sweep
    const second = yield* worker.take("a")
    equal(yield* worker.report(succeeded(second, "fine")), ["recorded"])
    equal(yield* rig.read(run, "a"), [{ _tag: "Succeeded", value: '"fine"' }])
    isTrue(second.nonce !== first.nonce, "two deliveries have the same nonce")
  },

  *"says who reports when the next attempt is due, and who sweeps too"(rig) {
    const delay = 4 * rig.unit
    yield* rig.submit(single({ attempts: 2, backoff: "fixed", base: delay, jitter: false }))
    const worker = yield* rig.hand()
    const job = yield* worker.take("a")
    // What has no timer is looked at more seldom then.
    for (let i = 0; i < 4; i++) yield* rig.broker.sweep
    const { timer = Infinity } = yield* worker.settle([failed(job, "Boom")], 0)
    isTrue(timer > 0 && timer <= delay, `due in ${timer} ms after a report, where ${delay} ms were asked for`)
    const next = yield* rig.broker.nextSweep
    isTrue(next <= delay + 4 * rig.unit, `something to sweep in ${next} ms, where an attempt is due in ${delay} ms`)
    yield* rig.pass(5)
    const due = yield* rig.broker.nextSweep
    isTrue(due <= 0, `nothing to sweep for ${due} ms, where an attempt is due`)
  },

  *"waits for the next attempt, and lets nobody claim it before its time"(rig) {
    const run = yield* rig.submit(single({ attempts: 2, backoff: "fixed", base: 4 * rig.unit, jitter: false }))
    const worker = yield* rig.hand()
    yield* worker.report(failed(yield* worker.take("a"), "Boom"))
    const waiting = yield* rig.node(run, "a")
    equal(attemptOf(waiting), { attempt: 1, state: "scheduled" })
    isTrue(waiting.dueAt !== undefined, "a scheduled node should say when it is due")
    yield* rig.pass(1)
    equal((yield* rig.broker.sweep).timers, 0)
    equal(yield* worker.claim(), [])
    yield* rig.pass(4)
    equal((yield* rig.broker.sweep).timers, 1)
    equal((yield* worker.take("a")).attempt, 2)
  },

  *"waits the same time before each attempt when the back-off is fixed"(rig) {
    const { unit } = rig
    equal(yield* delays(rig, { backoff: "fixed", base: 2 * unit, max: 9 * unit, jitter: false }, 3), [
      2 * unit,
      2 * unit,
      2 * unit
    ])
  },

  *"waits twice as long before each attempt, up to the cap, when it is exponential"(rig) {
    const { unit } = rig
    equal(yield* delays(rig, { backoff: "exponential", base: unit, max: 5 * unit, jitter: false }, 4), [
      unit,
      2 * unit,
      4 * unit,
      5 * unit
    ])
  },

  *"draws the delay from nothing to the whole back-off when it is jittered"(rig) {
    const { unit } = rig
    const { seen } = yield* listen(rig)
    yield* rig.submit(tasks(50, { attempts: 2, backoff: "fixed", base: 4 * unit, jitter: true }), {
      onFailure: "finish"
    })
    const worker = yield* rig.hand()
    const jobs = yield* worker.claim()
    for (const batch of [jobs.slice(0, 20), jobs.slice(20, 30)]) {
      yield* worker.report(...batch.map((job) => failed(job, "Boom")))
    }
    for (const job of jobs.slice(30)) yield* worker.report(failed(job, "Boom"))
    yield* rig.eventually(() => retryings(seen).length === 50)
    const drawn = retryings(seen).map((event) => event.dueAt - event.at)
    equal(drawn.length, 50)
    isTrue(
      drawn.every((delay) => delay >= 0 && delay <= 4 * unit),
      `delays of ${drawn} for a back-off of ${4 * unit}`
    )
    const [low, high] = [drawn.filter((delay) => delay < 2 * unit).length, new Set(drawn).size]
    isTrue(low >= 8 && low <= 42 && high > 10, `fifty draws that are hardly random: ${drawn}`)
  },

  *"does not try again an error its policy excepts"(rig) {
    const run = yield* rig.submit(single({ attempts: 3, except: ["NotFound", "Denied"] }))
    const worker = yield* rig.hand()
    equal(yield* worker.play({ a: failing("Denied") }), ["a"])
    equal((yield* rig.broker.await(run)).failure?.attempt, 1)
  },

  *"does not try again what can't succeed"(rig) {
    const run = yield* rig.submit(single({ attempts: 3 }))
    const worker = yield* rig.hand()
    equal(yield* worker.play({ a: failing("PayloadMismatch", { declared: false, retryable: false }) }), ["a"])
    equal((yield* rig.broker.await(run)).failure?.attempt, 1)
  },

  *"lets the handler say when, but not how often"(rig) {
    const { seen } = yield* listen(rig)
    const run = yield* rig.submit(single({ attempts: 2, backoff: "fixed", base: 60 * rig.unit, jitter: true }))
    const worker = yield* rig.hand()
    yield* worker.report(failed(yield* worker.take("a"), "Busy", { retryAfter: 3 * rig.unit }))
    yield* rig.eventually(() => retryings(seen).length === 1)
    equal(
      retryings(seen).map((event) => event.dueAt - event.at),
      [3 * rig.unit]
    )
    yield* rig.pass(4)
    yield* rig.broker.sweep
    yield* worker.report(failed(yield* worker.take("a"), "Busy", { retryAfter: 3 * rig.unit }))
    equal((yield* rig.broker.await(run)).state, "failed")
  },

  *"skips nothing while a node may be tried again"(rig) {
    const plan = PlanBuilder.make("patient", (p) =>
      p.task("b", {
        after: [p.task("a", { policy: { attempts: 2, backoff: "fixed", base: rig.unit, jitter: false } })]
      })
    )
    const run = yield* rig.submit(plan)
    const worker = yield* rig.hand()
    yield* worker.report(failed(yield* worker.take("a"), "Boom"))
    equal(yield* rig.states(run), { a: "scheduled", b: "blocked" })
    yield* rig.pass(2)
    yield* rig.broker.sweep
    equal(yield* worker.play(), ["a", "b"])
  },

  *"delays a node after what it depends on"(rig) {
    const plan = PlanBuilder.make("delayed", (p) =>
      p.task("b", { after: [p.task("a")], policy: { delay: 4 * rig.unit } })
    )
    const run = yield* rig.submit(plan)
    const worker = yield* rig.hand()
    yield* rig.pass(5)
    equal(yield* worker.play(), ["a"])
    equal((yield* rig.node(run, "b")).state, "scheduled")
    yield* rig.pass(1)
    equal((yield* rig.broker.sweep).timers, 0)
    yield* rig.pass(4)
    equal((yield* rig.broker.sweep).timers, 1)
    const job = yield* worker.take("b")
    equal(job.attempt, 1)
  },

  *"says how late the oldest timer was that it found due"(rig) {
    equal((yield* rig.broker.sweep).late, 0)
    yield* rig.submit(tasks(1, { delay: rig.unit }))
    yield* rig.pass(2)
    yield* rig.submit(tasks(1, { delay: rig.unit }))
    yield* rig.pass(4)
    const { late, timers } = yield* rig.broker.sweep
    equal(timers, 2)
    isTrue(late >= 4 * rig.unit, `the oldest timer was due 5 units ago, and it says ${late / rig.unit}`)
    equal((yield* rig.broker.sweep).late, 0)
  },

  *"fires each timer once, however many sweep"(rig) {
    yield* rig.submit(tasks(20, { delay: rig.unit }))
    yield* rig.pass(2)
    const sweeps = yield* Effect.all(
      Array.from({ length: 10 }, () => rig.broker.sweep),
      { concurrency: "unbounded" }
    )
    equal(
      sweeps.reduce((sum, { timers }) => sum + timers, 0),
      20
    )
    const worker = yield* rig.hand()
    equal((yield* worker.claim()).length, 20)
    equal(yield* rig.broker.sweep, { timers: 0, late: 0, workers: 0, removed: 0 })
  },

  *"fails a node that nobody claims in time"(rig) {
    const plan = PlanBuilder.make("expiring", (p) =>
      p.task("b", { after: [p.task("a", { policy: { expires: 3 * rig.unit, attempts: 5 } })] })
    )
    const run = yield* rig.submit(plan)
    yield* rig.pass(1)
    yield* rig.broker.sweep
    equal(yield* rig.states(run), { a: "ready", b: "blocked" })
    yield* rig.pass(3)
    yield* rig.broker.sweep
    equal(yield* rig.states(run), { a: "failed", b: "skipped" })
    const { failure } = yield* rig.broker.await(run)
    equal([failure?.attempt, failure?.failed.tag, failure?.failed.declared], [1, "Expired", false])
    equal(JSON.parse(failure!.failed.error), { _tag: "Expired", after: 3 * rig.unit })
    equal((yield* rig.node(run, "a")).attempt, 1)
    const worker = yield* rig.hand()
    equal(yield* worker.claim(), [])
  },

  *"says of a node that was tried before which attempt nobody claimed in time"(rig) {
    const policy = { expires: 3 * rig.unit, attempts: 3, base: 0 }
    const run = yield* rig.submit(single(policy))
    const worker = yield* rig.hand()
    const job = yield* worker.take("a")
    yield* rig.pass(2)
    equal(yield* worker.report(failed(job, "Busy")), ["recorded"])
    yield* rig.pass(1)
    yield* rig.broker.sweep
    equal(yield* rig.states(run), { a: "ready" })
    const { busy } = (yield* rig.broker.run(run)).nodes[0]!
    isTrue(busy >= 2 * rig.unit, `it ran for 2 units, and it says ${busy / rig.unit}`)
    yield* rig.pass(4)
    yield* rig.broker.sweep
    const { failure, nodes } = yield* rig.broker.run(run)
    equal([failure?.attempt, failure?.failed.tag], [2, "Expired"])
    equal([nodes[0]!.retries, nodes[0]!.busy], [1, busy])
    equal((yield* rig.node(run, "a")).attempt, 2)
  },

  *"expires nothing that was claimed in time"(rig) {
    const run = yield* rig.submit(single({ expires: 3 * rig.unit }))
    const worker = yield* rig.hand()
    const job = yield* worker.take("a")
    yield* rig.pass(5)
    yield* rig.broker.sweep
    equal(yield* rig.states(run), { a: "running" })
    equal(yield* worker.report(succeeded(job)), ["recorded"])
  },

  *"ends what waits for its next attempt when the run is cancelled"(rig) {
    const run = yield* rig.submit(single({ attempts: 3 }))
    const worker = yield* rig.hand()
    yield* worker.report(failed(yield* worker.take("a"), "Boom"))
    yield* rig.broker.cancel(run)
    equal((yield* rig.broker.await(run)).state, "cancelled")
    yield* rig.pass(90)
    yield* rig.broker.sweep
    equal(yield* worker.claim(), [])
  },

  *"does not try again in a run that is being cancelled"(rig) {
    const run = yield* rig.submit(single({ attempts: 3 }))
    const worker = yield* rig.hand()
    const job = yield* worker.take("a")
    yield* rig.broker.cancel(run)
    equal(yield* worker.report(failed(job, "Boom")), ["recorded"])
    equal(yield* rig.states(run), { a: "failed" })
    equal((yield* rig.broker.await(run)).state, "cancelled")
  },

  *"counts no attempt for an interruption"(rig) {
    yield* rig.submit(chain)
    const worker = yield* rig.hand()
    for (let i = 0; i < 5; i++) yield* worker.report(interrupted(yield* worker.take("a")))
    equal((yield* worker.take("a")).attempt, 1)
  }
})
