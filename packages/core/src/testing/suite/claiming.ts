import * as Effect from "effect/Effect"
import type { Policy } from "../../plan/Document.ts"
import { hash } from "../../plan/Hash.ts"
import * as PlanBuilder from "../PlanBuilder.ts"
import { equal, group, isTrue } from "./Case.ts"
import { chain, chord, group as tasks, single } from "./plans.ts"
import { deciding, succeeded } from "./Answer.ts"

/** Tasks that wait for nothing, each with its own policy. */
const mixed = (policies: { readonly [id: string]: Policy }) =>
  PlanBuilder.make("mixed", (p) =>
    p.pass("all", { after: Object.entries(policies).map(([id, policy]) => p.task(id, { policy })) })
  )

export const claiming = group("claim", {
  *"hands out priority 0 before 1, and 9 last"(rig) {
    yield* rig.submit(
      mixed({ usual: {}, last: { priority: 9 }, second: { priority: 1 }, first: { priority: 0 }, six: { priority: 6 } })
    )
    const worker = yield* rig.hand()
    equal(yield* worker.play(), ["first", "second", "usual", "six", "last"])
  },

  *"hands out what has one priority in the order it became ready"(rig) {
    yield* rig.submit(tasks(3))
    yield* rig.submit(mixed({ x: {}, y: {} }))
    const worker = yield* rig.hand()
    const given = (yield* worker.claim()).map((job) => job.name)
    const [first, second] = [
      given.filter((name) => name.startsWith("t")),
      given.filter((name) => !name.startsWith("t"))
    ]
    equal([...first, ...second], ["t0", "t1", "t2", "x", "y"])
    // Several partitions keep the order of a run, not that of runs.
    if (rig.partitions === 1) equal(given, [...first, ...second])
  },

  *"looks at priority first and at the order of a worker's queues second"(rig) {
    yield* rig.submit(
      mixed({ a: { queue: "one" }, b: { queue: "two", priority: 0 }, c: { queue: "two" }, d: { queue: "one" } })
    )
    const worker = yield* rig.hand({ queues: ["one", "two"] })
    equal(
      (yield* worker.claim()).map((job) => job.name),
      ["b", "a", "d", "c"]
    )
  },

  *"gives a worker only what is in its queues"(rig) {
    yield* rig.submit(mixed({ a: { queue: "one" }, b: { queue: "two" }, c: {} }))
    const worker = yield* rig.hand({ queues: ["two"] })
    equal(yield* worker.play(), ["b"])
    const other = yield* rig.hand({ queues: ["default", "one"] })
    equal(yield* other.play(), ["c", "a"])
  },

  *"gives a worker only tasks it can run, and lets nothing stand behind the others"(rig) {
    yield* rig.submit(mixed({ a: {}, b: {}, c: {}, d: {} }))
    const worker = yield* rig.hand({ tasks: ["b", "d"] })
    equal(yield* worker.play(), ["b", "d"])
  },

  *"shows what no worker can run as unroutable, until one registers that can"(rig) {
    const run = yield* rig.submit(mixed({ a: {}, b: {}, c: {} }))
    const worker = yield* rig.hand({ tasks: ["b"] })
    equal(yield* worker.play(), ["b"])
    equal((yield* rig.node(run, "a")).unroutable, true)
    const [queue] = yield* rig.broker.queues
    equal([queue?.queue, queue?.ready, { ...queue?.unroutable }], ["default", 2, { a: 1, c: 1 }])

    const other = yield* rig.hand({ tasks: ["a", "c"] })
    equal((yield* rig.node(run, "a")).unroutable, false)
    equal({ ...(yield* rig.broker.queues)[0]?.unroutable }, {})
    equal(yield* other.play(), ["a", "c"])
  },

  *"does not call a task unroutable that a worker of another queue can run, only if none serves its own"(rig) {
    const run = yield* rig.submit(single({ queue: "far" }))
    yield* rig.hand({ queues: ["near"] })
    equal((yield* rig.node(run, "a")).unroutable, true)
    yield* rig.hand({ queues: ["far"] })
    equal((yield* rig.node(run, "a")).unroutable, false)
  },

  *"gives no more than it is asked for"(rig) {
    yield* rig.submit(tasks(5))
    const worker = yield* rig.hand()
    equal((yield* worker.claim(0)).length, 0)
    equal((yield* worker.claim(2)).length, 2)
    equal((yield* worker.claim(10)).length, 3)
  },

  *"grants nothing twice to workers that claim at once"(rig) {
    yield* rig.submit(tasks(200))
    const workers = yield* Effect.all([rig.hand(), rig.hand(), rig.hand(), rig.hand()])
    const claims = workers.flatMap((worker) => Array.from({ length: 10 }, () => worker.claim(7)))
    const granted = (yield* Effect.all(claims, { concurrency: "unbounded" })).flat()
    equal(granted.length, 200)
    equal(new Set(granted.map((job) => job.name)).size, 200)
    equal(new Set(granted.map((job) => job.nonce)).size, 200)
  },

  *"delivers an attempt with its fence, its plan and the input of the run"(rig) {
    const run = yield* rig.submit(chain, { input: { url: "http://localhost" } })
    const worker = yield* rig.hand()
    const job = yield* worker.take("a")
    equal(
      [job.run, job.node, job.attempt, job.generation, job.lost, job.flow, job.planHash, job.input, job.items],
      [run, "0", 1, 1, 0, "chain", hash(chain), '{"url":"http://localhost"}', []]
    )
    isTrue(job.nonce.length >= 8, `the nonce ${job.nonce} can be guessed`)
  },

  *"delivers the ends that an input is made of, or has them to read"(rig) {
    const run = yield* rig.submit(chain)
    const worker = yield* rig.hand()
    yield* worker.report(succeeded(yield* worker.take("a"), { n: 1 }))
    const job = yield* worker.take("b")
    const [read] = yield* rig.broker.read(run, ["0"])
    equal(job.ends.get("0") ?? read, { _tag: "Succeeded", value: '{"n":1}' })
    equal(job.ends.get("2"), undefined)
  },

  *"says of each of many deliveries which plan it is of, and what it carries"(rig) {
    yield* rig.submit(chain, { id: "begun" })
    const worker = yield* rig.hand({ tasks: ["a", "b", "t"] })
    yield* worker.report(succeeded(yield* worker.take("a"), "of a"))
    yield* rig.submit(single(), { id: "first", input: 2 })
    yield* rig.submit(chain, { id: "second", input: 3 })
    yield* rig.submit(tasks(2), { id: "third", input: 4 })
    yield* rig.submit(single(), { id: "fourth", input: 5 })
    const jobs = yield* worker.claim()
    equal(
      jobs
        .map(({ ends, flow, input, name, planHash, run }) => [run, name, flow, planHash, input, ends.get("0")])
        .toSorted(([a], [b]) => String(a).localeCompare(String(b))),
      [
        ["begun", "b", "chain", hash(chain), "null", { _tag: "Succeeded", value: '"of a"' }],
        ["first", "a", "single", hash(single()), "2", undefined],
        ["fourth", "a", "single", hash(single()), "5", undefined],
        ["second", "a", "chain", hash(chain), "3", undefined],
        ["third", "t0", "group-2", hash(tasks(2)), "4", undefined],
        ["third", "t1", "group-2", hash(tasks(2)), "4", undefined]
      ]
    )
    yield* worker.report(...jobs.map((job) => succeeded(job)))
    equal(yield* rig.states("fourth"), { a: "succeeded" })
    equal(yield* rig.states("third"), { all: "succeeded", t0: "succeeded", t1: "succeeded" })
  },

  *"delivers the elements around a node, outermost first"(rig) {
    const plan = PlanBuilder.make("nested", (p) => {
      const rows = p.task("rows")
      return p.each("rows-each", { over: rows }, (p) => {
        const cells = p.task("cells")
        return p.each("cells-each", { over: cells }, (p) => p.task("cell"))
      })
    })
    yield* rig.submit(plan)
    const worker = yield* rig.hand()
    const given: Array<string> = []
    yield* worker.play({
      rows: deciding({ "rows-each": ["r0", "r1"] }),
      cells: deciding({ "cells-each": ["c0", "c1"] }),
      cell: (job) => {
        given.push(`${job.name} ${job.items.join(" ")}`)
        return succeeded(job)
      }
    })
    equal(given, [
      'rows-each[0].cells-each[0].cell "r0" "c0"',
      'rows-each[0].cells-each[1].cell "r0" "c1"',
      'rows-each[1].cells-each[0].cell "r1" "c0"',
      'rows-each[1].cells-each[1].cell "r1" "c1"'
    ])
  },

  *"tells a worker it does not know to register, and gives it nothing"(rig) {
    yield* rig.submit(single())
    const worker = yield* rig.hand({ id: "w", tasks: ["a"] })
    yield* rig.broker.unregister("w")
    const settled = yield* worker.settle([], 1)
    equal([settled.unknown, settled.jobs], [true, []])
    yield* rig.hand({ id: "w", tasks: ["a"] })
    const again = yield* worker.settle([], 1)
    equal([again.unknown, again.jobs.map((job) => job.name)], [false, ["a"]])
  },

  *"goes by what a worker said last, and leaves it what it holds"(rig) {
    yield* rig.submit(mixed({ a: {}, b: {}, c: { queue: "other" } }))
    const worker = yield* rig.hand({ id: "w", tasks: ["a"] })
    const job = yield* worker.take("a")
    yield* rig.hand({ id: "w", tasks: ["b", "c"], queues: ["other"] })
    equal(yield* worker.play(), ["c"])
    equal(yield* worker.report(succeeded(job)), ["recorded"])
    yield* rig.hand({ id: "w", tasks: ["b"] })
    yield* rig.submit(single())
    equal(yield* worker.play(), ["b"])
  },

  *"gives built-in work to any worker of its queue"(rig) {
    const plan = PlanBuilder.make("decided by work", (p) => {
      const list = p.pass("list", { after: [p.task("a")] })
      return p.each("each", { over: list }, (p) => p.task("b"))
    })
    yield* rig.submit(plan)
    const worker = yield* rig.hand({ tasks: ["a"] })
    equal(yield* worker.play({ "each.decide": () => undefined }), ["a", "each.decide"])
  },

  *"hands out what became ready by an outcome in the same step"(rig) {
    yield* rig.submit(chord())
    const worker = yield* rig.hand()
    const list = yield* worker.take("list")
    const decide = deciding({ each: [1, 2, 3] })(list)!
    const { jobs, receipts } = yield* worker.settle([decide], 2)
    equal(receipts, ["recorded"])
    equal(
      jobs.map((job) => job.name),
      ["each[0].double", "each[1].double"]
    )
  },

  *"wakes a worker when there is something for it"(rig) {
    const worker = yield* rig.hand({ tasks: ["a"] })
    yield* worker.play()
    const waiting = yield* Effect.forkScoped(rig.broker.wake(worker.id), { startImmediately: true })
    yield* rig.submit(single())
    yield* rig.eventually(() => waiting.pollUnsafe() !== undefined)
    isTrue(waiting.pollUnsafe() !== undefined, "no hint came after a submission")
    equal((yield* worker.claim()).length, 1)
  },

  *"does not depend on anybody waiting for a hint"(rig) {
    const worker = yield* rig.hand({ tasks: ["a"] })
    yield* rig.submit(single())
    equal(yield* worker.play(), ["a"])
    yield* rig.broker.unregister(worker.id)
    yield* rig.submit(single())
    yield* rig.hand({ id: worker.id, tasks: ["a"] })
    equal(yield* worker.play(), ["a"])
  }
})
