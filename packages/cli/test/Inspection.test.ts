import { Broker } from "@arpeggio/core/Broker"
import * as Client from "@arpeggio/core/Client"
import * as Flow from "@arpeggio/core/Flow"
import * as Handler from "@arpeggio/core/Handler"
import * as MemoryBroker from "@arpeggio/core/MemoryBroker"
import * as Task from "@arpeggio/core/Task"
import * as Worker from "@arpeggio/core/Worker"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import * as Inspection from "../src/Inspection.ts"

class Torn extends Schema.TaggedError<Torn>()("Torn", { page: Schema.Int }) {}

const read = Task.make("read", { input: Schema.Int, output: Schema.Int, error: Torn })
const bind = Task.make("bind", { input: Schema.Array(Schema.Int), output: Schema.Int })
const print = Task.make("print", { input: Schema.Int, output: Schema.Int, queue: "press" })

const book = Flow.make("book", { input: Schema.Array(Schema.Int) }, (pages) =>
  print(bind(Flow.forEach(pages, (page) => read(page), { concurrency: 2 })))
)

/** A worker for `read` alone; what it does with a page is up to the test. */
const reading = (handler: (page: number) => Effect.Effect<number, Torn>) =>
  Effect.gen(function* () {
    const handlers = yield* Layer.build(read.toLayer(handler))
    yield* Layer.build(Worker.fromContext(handlers, { host: "desk:1" }))
    return Handler.all(handlers)
  })

const why = (node: string) => Effect.map(Inspection.why("mine", node), ({ lines }) => lines)

describe("Inspection", () => {
  it.effect("says why a node waits, down to what holds all the others up", () =>
    Effect.gen(function* () {
      yield* Client.submit(book, [1, 2, 3], { id: "mine" })
      const idle = "ready in queue default, and no worker is known that can run read there."
      expect(yield* why("print")).toEqual([
        "print: waits for 1 other node:",
        "└ bind: waits for 1 other node:",
        "  └ each: waits for 2 other nodes:",
        `    ├ each[0].read: ${idle}`,
        `    └ each[1].read: ${idle}`
      ])
      expect(yield* why("each[2].read")).toEqual([
        "each[2].read: each has not come to this element: it takes 2 at once."
      ])
    }).pipe(Effect.provide(MemoryBroker.layer()))
  )

  it.live("says where a node runs, and lists what runs beside the nodes of the plan", () =>
    Effect.gen(function* () {
      const begun = Latch.makeUnsafe(false)
      const release = Latch.makeUnsafe(false)
      yield* reading((page) => Effect.as(Effect.andThen(page === 2 ? begun.open : Effect.void, release.await), page))
      yield* Client.submit(book, [1, 2, 3], { id: "mine" })
      yield* begun.await
      expect(yield* why("each[1].read")).toEqual(["each[1].read: running, attempt 1, on desk:1."])
      const { lines } = yield* Inspection.show("mine", " --redis redis://h")
      const table = lines.map((line) => line.replace(/\s+/g, " "))
      expect(table).toContain("each[*].read read running 3 0 2 0 0 0 -")
      expect(table).toContain("each[0].read running 1 on desk:1")
      expect(lines).toContain(
        "No worker is known that can run bind (queue default); print (queue press): what needs it waits."
      )
      expect(lines).toContain(
        "Start one:  arpeggio worker <module with the handlers> --redis redis://h --queues default,press"
      )
      yield* release.open
    }).pipe(Effect.scoped, Effect.provide(MemoryBroker.layer()))
  )

  it.effect("misses a worker for what is still to come of a forEach, and for none where there are no elements", () =>
    Effect.gen(function* () {
      const broker = yield* Broker
      const shown = Effect.map(Inspection.show("mine", ""), ({ lines }) => lines.find((line) => line.startsWith("No")))
      yield* Client.submit(book, [1, 2, 3], { id: "mine" })
      const worker = { id: "w", queues: ["default", "press"], concurrency: 2, host: "desk:1" }
      yield* broker.register({ ...worker, tasks: ["read", "bind", "print"] })
      yield* broker.settle({ worker: "w", settlements: [], claim: 2 })
      expect(yield* shown).toBeUndefined()
      yield* broker.register({ ...worker, tasks: ["bind", "print"] })
      expect(yield* shown).toBe("No worker is known that can run read (queue default): what needs it waits.")
      yield* broker.cancel("mine")
      yield* broker.unregister("w")
      yield* Client.submit(book, [], { id: "none" })
      const { lines } = yield* Inspection.show("none", "")
      expect(lines).toContain(
        "No worker is known that can run bind (queue default); print (queue press): what needs it waits."
      )
    }).pipe(Effect.provide(MemoryBroker.layer()))
  )

  it.live("says what a run failed with and how to run it again, and why what depended on it was skipped", () =>
    Effect.gen(function* () {
      yield* reading((page) => Effect.fail(new Torn({ page })))
      const run = yield* Client.submit(book, [7], { id: "mine" })
      yield* Effect.exit(run.await)
      const { lines } = yield* Inspection.show("mine", "")
      expect(lines).toContain('Failed at each[0].read, attempt 1: Torn {"page":7}')
      expect(lines).toContain("Run what did not succeed again:  arpeggio retry mine")
      expect(yield* why("bind")).toEqual(['bind: skipped, for what it depends on failed: Torn {"page":7}.'])
      const { lines: runs } = yield* Inspection.runs({ state: "failed", limit: 20 })
      expect(runs[1]).toMatch(/^mine {2}book {2}failed /)
    }).pipe(Effect.scoped, Effect.provide(MemoryBroker.layer()))
  )

  it.effect("helps with the name of a node: what was meant, and that there is one for each element", () =>
    Effect.gen(function* () {
      yield* Client.submit(book, [1], { id: "mine" })
      const sentence = (node: string) => Effect.map(Effect.flip(why(node)), ({ message }) => message)
      expect(yield* sentence("bnd")).toBe("Run mine has no node bnd. Did you mean bind?")
      expect(yield* sentence("read")).toBe("read is there once for each element. Name one: each[0].read.")
    }).pipe(Effect.provide(MemoryBroker.layer()))
  )

  it.effect("says of a node over which a worker died how to run it again, and that its run goes on", () =>
    Effect.gen(function* () {
      const broker = yield* Broker
      expect((yield* Inspection.dead(20, "")).lines[0]).toContain("There are no dead letters")
      yield* Client.submit(book, [1, 2, 3], { id: "Ann's", onFailure: "finish" })
      yield* broker.register({ id: "w", tasks: ["read"], queues: ["default"], concurrency: 1, host: "desk:1" })
      yield* broker.settle({ worker: "w", settlements: [], claim: 1 })
      yield* TestClock.adjust("31 seconds")
      yield* broker.sweep
      const { lines } = yield* Inspection.dead(1, " --redis redis://h")
      expect(lines[1]).toMatch(/^Ann's +each\[0\]\.read +book +read +default +1 +1 +/)
      expect(lines).toContain(String.raw`  arpeggio show 'Ann'\''s' --why 'each[0].read' --redis redis://h`)
      expect(lines).toContain(
        String.raw`  once the run has ended:  arpeggio retry 'Ann'\''s' --from 'each[0].read' --redis redis://h`
      )
      expect(lines.at(-1)).toBe("The newest 1: --limit shows more.")
    }).pipe(Effect.provide(MemoryBroker.layer({ maxDeliveries: 1 })))
  )

  it.effect("names the queues from which nobody takes", () =>
    Effect.gen(function* () {
      yield* Client.submit(print, 1)
      const { lines } = yield* Inspection.queues
      expect(lines.find((line) => line.startsWith("press"))).toMatch(/^press +1 +0 +0 +(print \(1\)|all)/)
      expect((yield* Inspection.workers).lines[0]).toContain("There are no workers.")
    }).pipe(Effect.provide(MemoryBroker.layer()))
  )
})
