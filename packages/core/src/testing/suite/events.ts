import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Stream from "effect/Stream"
import type { Event } from "../../Broker.ts"
import * as PlanBuilder from "../PlanBuilder.ts"
import { equal, group, isTrue } from "./Case.ts"
import { chain, map, single } from "./plans.ts"
import type { Rig } from "./Rig.ts"
import { failed, interrupted, succeeded } from "./Answer.ts"

const nothing = PlanBuilder.make("nothing", (p) => p.pass("all"))

/** Listens to all runs; runs of nothing make the first events, and are left out. */
const watchAll = Effect.fnUntraced(function* (rig: Rig) {
  const nudges = new Set<string>()
  const nudge = Effect.map(
    Effect.suspend(() => rig.submit(nothing)),
    (id) => nudges.add(id)
  )
  const { seen } = yield* rig.watch(undefined, nudge)
  const others = () => seen.filter((event) => !nudges.has(event.run))
  return {
    /** The first `count` events. */
    take: Effect.fnUntraced(function* (count: number) {
      yield* rig.eventually(() => others().length >= count)
      return others()
    })
  }
})

/** An event in a few words, without times. */
const told = (event: Event): string => {
  switch (event._tag) {
    case "RunStarted":
      return `run ${event.generation} started`
    case "NodeStarted":
      return `${event.node} started ${event.attempt} at ${event.worker}`
    case "NodeRetrying":
      return `${event.node} failed ${event.attempt} with ${event.failed.tag}`
    case "NodeReleased":
      return `${event.node} ${event.reason} ${event.attempt}`
    case "NodeEnded":
      return `${event.node} ${event.state}`
    case "RunCancelling":
      return "run cancelling"
    case "RunDecided":
      return `run decided ${event.state}`
    case "RunEnded":
      return `run ended ${event.state}`
  }
}

/** Leases of 4 units. */
export const events = group(
  "events",
  {
    *"tell the life of a run in order"(rig) {
      const events = yield* watchAll(rig)
      const run = yield* rig.submit(chain)
      const worker = yield* rig.hand({ id: "w" })
      yield* worker.report(succeeded(yield* worker.take("a")))
      yield* worker.report(failed(yield* worker.take("b"), "Boom"))
      const seen = yield* events.take(8)
      equal(seen.map(told), [
        "run 1 started",
        "0 started 1 at w",
        "0 succeeded",
        "1 started 1 at w",
        "1 failed",
        "2 skipped",
        "run decided failed",
        "run ended failed"
      ])
      isTrue(
        seen.every((event, i) => event.run === run && (i === 0 || seen[i - 1]!.at <= event.at)),
        "times should not go backwards"
      )
    },

    *"tell of further attempts, with the error and the time"(rig) {
      const events = yield* watchAll(rig)
      yield* rig.submit(single({ attempts: 2, backoff: "fixed", base: rig.unit, jitter: false }))
      const worker = yield* rig.hand({ id: "w" })
      yield* worker.report(failed(yield* worker.take("a"), "Boom"))
      yield* rig.pass(2)
      yield* rig.broker.sweep
      yield* worker.report(succeeded(yield* worker.take("a")))
      const seen = yield* events.take(7)
      equal(seen.map(told), [
        "run 1 started",
        "0 started 1 at w",
        "0 failed 1 with Boom",
        "0 started 2 at w",
        "0 succeeded",
        "run decided succeeded",
        "run ended succeeded"
      ])
      const [, , retrying] = seen
      equal(retrying?._tag === "NodeRetrying" && retrying.dueAt - retrying.at, rig.unit)
    },

    *"tell what was given back and what was lost"(rig) {
      const events = yield* watchAll(rig)
      yield* rig.submit(single())
      const worker = yield* rig.hand({ id: "w" })
      yield* worker.release(yield* worker.take("a"))
      yield* worker.take("a")
      yield* rig.pass(5)
      yield* rig.broker.sweep
      equal((yield* events.take(5)).map(told), [
        "run 1 started",
        "0 started 1 at w",
        "0 released 1",
        "0 started 1 at w",
        "0 lost 1"
      ])
    },

    *"tell of a cancel and of the next generation"(rig) {
      const events = yield* watchAll(rig)
      const run = yield* rig.submit(single())
      const worker = yield* rig.hand({ id: "w" })
      const job = yield* worker.take("a")
      yield* rig.broker.cancel(run)
      yield* rig.broker.cancel(run)
      yield* worker.report(interrupted(job))
      yield* rig.broker.retry(run)
      equal((yield* events.take(7)).map(told), [
        "run 1 started",
        "0 started 1 at w",
        "run cancelling",
        "0 cancelled",
        "run decided cancelled",
        "run ended cancelled",
        "run 2 started"
      ])
    },

    *"of one run are about that run only, and end with it"(rig) {
      const run = yield* rig.submit(chain)
      yield* rig.submit(nothing)
      const worker = yield* rig.hand({ id: "w" })
      const nudge = Effect.flatMap(worker.take("a"), (job) => worker.release(job))
      const { ended, seen } = yield* rig.watch(run, nudge)
      yield* rig.submit(nothing)
      yield* worker.report(succeeded(yield* worker.take("a")))
      yield* rig.submit(nothing)
      yield* worker.play()
      yield* rig.eventually(() => seen.at(-1)?._tag === "RunEnded")
      yield* ended
      isTrue(
        seen.every((event) => event.run === run),
        "an event of another run was heard"
      )
      equal(seen.map(told).slice(-8), [
        "0 started 1 at w",
        "0 succeeded",
        "1 started 1 at w",
        "1 succeeded",
        "2 started 1 at w",
        "2 succeeded",
        "run decided succeeded",
        "run ended succeeded"
      ])
    },

    *"of a run that has ended are none"(rig) {
      const run = yield* rig.submit(nothing)
      equal(yield* Stream.runCollect(rig.broker.events(run)), [])
    },

    *"are lost to a slow reader, and nothing else is"(rig) {
      const count = 10_000
      const run = yield* rig.submit(map(), { elements: { each: Array.from({ length: count }, (_, i) => i) } })
      const worker = yield* rig.hand({ id: "w" })
      const open = yield* Latch.make()
      const seen: Array<Event> = []
      const fiber = yield* rig.broker.events(run).pipe(
        Stream.runForEach((event) => {
          seen.push(event)
          return open.await
        }),
        Effect.forkScoped({ startImmediately: true })
      )
      yield* rig.eventually(() => fiber.pollUnsafe() === undefined)
      equal((yield* worker.play()).length, count)
      equal((yield* rig.broker.await(run)).state, "succeeded")
      yield* open.open
      yield* rig.eventually(() => seen.at(-1)?._tag === "RunEnded")
      equal(told(seen.at(-1)!), "run ended succeeded")
      const nodes = seen.map(told)
      equal(nodes.length, new Set(nodes).size, "an event was heard twice")
    }
  },
  (unit) => ({ lease: 4 * unit })
)
