import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { NodeProgress, NodeView, RunView } from "../../Broker.ts"
import * as Phase from "../../Phase.ts"
import type { Plan } from "../../plan/Document.ts"
import * as PlanBuilder from "../PlanBuilder.ts"
import { equal, group, isTrue } from "./Case.ts"
import { chain, chord, group as tasks, map, single } from "./plans.ts"
import { decided, deciding, failed, failing, failureOf, holding, interrupting, succeeded } from "./Answer.ts"

const nothing: NodeProgress = { ...Phase.none, total: 0, expected: 0, known: true, busy: 0, retries: 0 }

/** How an address is sorted: number by number, what is shorter first. */
const isBefore = (a: string, b: string): boolean => {
  const [left, right] = [a.split(".").map(Number), b.split(".").map(Number)]
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    if (left[i]! !== right[i]!) return left[i]! < right[i]!
  }
  return left.length < right.length
}

/** `2 of 3`: how many instances of a node exist, of how many; `2 of 3 or more` while there may be more. */
const countOf = (plan: Plan, { nodes }: RunView, id: string): string => {
  const { expected, known, total } = nodes[plan.nodes.findIndex((node) => node.id === id)]!
  return `${total} of ${expected}${known ? "" : " or more"}`
}

export const inspection = group("inspection", {
  // ---- read ----

  *"reads ends in the order asked, as often as asked"(rig) {
    const run = yield* rig.submit(chain)
    const worker = yield* rig.hand()
    yield* worker.play({ b: holding })
    equal(yield* rig.broker.read(run, ["2", "0", "1", "0"]), [
      undefined,
      { _tag: "Succeeded", value: '"a"' },
      undefined,
      { _tag: "Succeeded", value: '"a"' }
    ])
    equal(yield* rig.broker.read(run, []), [])
  },

  *"reads nothing at an address where no node is"(rig) {
    const run = yield* rig.submit(map(), { elements: { each: [1] } })
    equal(yield* rig.broker.read(run, ["99", "1.5.2", "0.0.2", "1.0.0", "what?", ""]), Array(6).fill(undefined))
  },

  *"reads every kind of end"(rig) {
    const plan = PlanBuilder.make("ends", (p) => {
      const a = p.catch("c", { of: p.task("a") }, (p) => p.task("h"))
      const b = p.task("b")
      const after = p.task("after", { after: [b] })
      const slow = p.task("slow")
      return p.pass("end", { after: [a, after, slow] })
    })
    const run = yield* rig.submit(plan)
    const worker = yield* rig.hand()
    yield* worker.play({ b: failing("Boom"), slow: interrupting })
    const boom = { _tag: "Failed", failed: failureOf("Boom"), cause: PlanBuilder.addressOf(plan, "b") } as const
    equal(yield* rig.read(run, "a", "h", "c", "b", "after", "slow", "end"), [
      { _tag: "Succeeded", value: '"a"' },
      { _tag: "Void" },
      { _tag: "Succeeded", from: 0 },
      boom,
      boom,
      { _tag: "Cancelled" },
      boom
    ])
  },

  *"reads a thousand ends at once"(rig) {
    const run = yield* rig.submit(map(), { elements: { each: Array.from({ length: 1_000 }, (_, i) => i) } })
    const worker = yield* rig.hand()
    yield* worker.play({ double: (job) => succeeded(job, 2 * Number(job.items[0])) })
    const addresses = Array.from({ length: 1_000 }, (_, i) => `1.${i}.2`)
    const ends = yield* rig.broker.read(run, addresses)
    equal(
      ends.map((ended) => ended?._tag === "Succeeded" && ended.value),
      addresses.map((_, i) => String(2 * i))
    )
  },

  // ---- await ----

  *"answers who waits, before and after the end, the same"(rig) {
    const run = yield* rig.submit(chain, { input: 1 })
    const worker = yield* rig.hand()
    const waiting = yield* Effect.all(
      Array.from({ length: 5 }, () => Effect.forkScoped(rig.broker.await(run), { startImmediately: true }))
    )
    yield* rig.pass(0.1)
    isTrue(
      waiting.every((fiber) => fiber.pollUnsafe() === undefined),
      "a run was said to have ended that had not"
    )
    yield* worker.play({ b: failing("Boom") })
    const ends = yield* Fiber.joinAll(waiting)
    const failure = { node: "1", attempt: 1, failed: failureOf("Boom") }
    const exit = { _tag: "Failed", failed: failure.failed, cause: "1" } as const
    const end = { state: "failed", generation: 1, input: "1", exit, failure } as const
    equal(ends, Array(5).fill(end))
    equal(yield* rig.broker.await(run), end)
  },

  *"lets one that waits go away, and answers the others"(rig) {
    const run = yield* rig.submit(single())
    const worker = yield* rig.hand()
    const gone = yield* Effect.forkScoped(rig.broker.await(run), { startImmediately: true })
    const waiting = yield* Effect.forkScoped(rig.broker.await(run), { startImmediately: true })
    yield* Fiber.interrupt(gone)
    yield* worker.play()
    equal((yield* Fiber.join(waiting)).state, "succeeded")
  },

  // ---- runs ----

  *"shows how many instances of each node are where"(rig) {
    const policy = { attempts: 2, backoff: "fixed", base: 50 * rig.unit, jitter: false } as const
    const plan = PlanBuilder.make("progress", (p) => {
      const each = p.each("each", { over: "input", concurrency: 4 }, (p) => p.task("double", { policy }))
      return p.task("sum", { after: [each] })
    })
    const run = yield* rig.submit(plan, { elements: { each: [1, 2, 3, 4, 5, 6] } })
    const worker = yield* rig.hand()
    const [first, second, third] = yield* worker.claim(3)
    yield* rig.pass(1)
    yield* worker.report(succeeded(first!), failed(second!, "Boom"))
    isTrue(third !== undefined, "three were asked for")
    const { nodes } = yield* rig.broker.run(run)
    equal({ ...nodes[0], busy: 0 }, { ...nothing, succeeded: 1, total: 1, expected: 1 })
    equal({ ...nodes[1], busy: 0 }, { ...nothing, blocked: 1, total: 1, expected: 1 })
    equal({ ...nodes[2], busy: 0 }, { ...nothing, blocked: 1, total: 1, expected: 1 })
    equal(
      { ...nodes[3], busy: 0 },
      { ...nothing, ready: 2, running: 1, scheduled: 1, succeeded: 1, total: 5, expected: 6, retries: 1 }
    )
    isTrue(nodes[3]!.busy >= 2 * rig.unit, `two attempts of a unit each cannot have taken ${nodes[3]!.busy} ms`)
  },

  *"says how many instances there will be, and whether there may be more, in a forEach inside of another"(rig) {
    const plan = PlanBuilder.make("inside", (p) =>
      p.each("row", { over: "input", concurrency: 2 }, (p) => {
        const cells = p.task("cells")
        return p.each("col", { over: cells, concurrency: 1 }, (p) => p.task("cell"))
      })
    )
    const run = yield* rig.submit(plan, { elements: { row: [1, 2, 3] } })
    const worker = yield* rig.hand()
    const counts = Effect.map(rig.broker.run(run), (view) => ["cells", "cell"].map((id) => countOf(plan, view, id)))
    const rows = yield* worker.claim(2)
    equal(yield* counts, ["2 of 3", "0 of 0 or more"])
    yield* worker.report(decided(rows[0]!, { col: [1, 2, 3] }), decided(rows[1]!, { col: [4] }))
    equal(yield* counts, ["2 of 3", "2 of 4 or more"])
    const cells = yield* worker.claim(2)
    yield* worker.report(succeeded(cells[1]!))
    equal(yield* counts, ["3 of 3", "2 of 4 or more"])
    const last = yield* worker.take("row[2].cells")
    yield* worker.report(decided(last, { col: [5, 6] }))
    equal(yield* counts, ["3 of 3", "3 of 6"])
    yield* worker.report(succeeded(cells[0]!))
    yield* worker.play()
    equal(yield* counts, ["3 of 3", "6 of 6"])
  },

  *"knows that there may be more while the outermost of three forEach has elements to release"(rig) {
    const plan = PlanBuilder.make("three", (p) =>
      p.each("a", { over: "input", concurrency: 1 }, (p) =>
        p.each("b", { over: p.task("bs") }, (p) => p.each("c", { over: p.task("cs") }, (p) => p.task("leaf")))
      )
    )
    const run = yield* rig.submit(plan, { elements: { a: [1, 2] } })
    const worker = yield* rig.hand()
    yield* worker.play({ "a[0].bs": deciding({ b: [1] }), "a[0].b[0].cs": deciding({ c: [1] }), leaf: holding })
    equal(countOf(plan, yield* rig.broker.run(run), "leaf"), "1 of 1 or more")
  },

  *"expects the instances of a forEach that waits for what they use from outside"(rig) {
    const plan = PlanBuilder.make("outside", (p) => {
      const after = [p.task("slow")]
      return p.each("each", { over: "input" }, (p) => p.task("double", { after }))
    })
    const run = yield* rig.submit(plan, { elements: { each: [1, 2, 3] } })
    equal(countOf(plan, yield* rig.broker.run(run), "double"), "0 of 3")
  },

  *"expects no more instances of a forEach that failed or is cancelled"(rig) {
    for (const concurrency of [1, 2]) {
      const plan = map(concurrency)
      const failed = yield* rig.submit(plan, { elements: { each: [1, 2, 3, 4] }, onFailure: "finish" })
      const worker = yield* rig.hand()
      yield* worker.play({ "each[0].double": failing("Boom") })
      equal(countOf(plan, yield* rig.broker.run(failed), "double"), `${concurrency} of ${concurrency}`)
      const cancelled = yield* rig.submit(plan, { elements: { each: [5, 6, 7, 8] } })
      yield* worker.play({ double: holding })
      equal(countOf(plan, yield* rig.broker.run(cancelled), "double"), `${concurrency} of 4`)
      yield* rig.broker.cancel(cancelled)
      equal(countOf(plan, yield* rig.broker.run(cancelled), "double"), `${concurrency} of ${concurrency}`)
    }
  },

  *"shows when a run began and ended"(rig) {
    const run = yield* rig.submit(single())
    const worker = yield* rig.hand()
    const before = yield* rig.broker.run(run)
    equal(before.endedAt, undefined)
    yield* rig.pass(2)
    yield* worker.play()
    const after = yield* rig.broker.run(run)
    equal(after.submittedAt, before.submittedAt)
    isTrue(after.endedAt! >= after.submittedAt + 2 * rig.unit, "a run can't end before it was played")
  },

  *"lists runs, newest first, by state, no more than asked for"(rig) {
    for (const id of ["one", "two", "three", "four"]) {
      yield* rig.submit(chain, { id })
      yield* rig.pass(0.1)
    }
    yield* rig.broker.cancel("two")
    const list = (options: Parameters<typeof rig.broker.runs>[0]) =>
      Effect.map(rig.broker.runs(options), (runs) => runs.map(({ id, state }) => `${id} ${state}`))
    equal(yield* list({ limit: 10 }), ["four running", "three running", "two cancelled", "one running"])
    equal(yield* list({ limit: 2 }), ["four running", "three running"])
    equal(yield* list({ limit: 10, state: "running" }), ["four running", "three running", "one running"])
    equal(yield* list({ limit: 10, state: "cancelled" }), ["two cancelled"])
    equal(yield* list({ limit: 10, state: "failed" }), [])
    const { nodes: _nodes, cancelling: _cancelling, failure: _failure, ...summary } = yield* rig.broker.run("two")
    equal(yield* rig.broker.runs({ limit: 1, state: "cancelled" }), [summary])
  },

  // ---- nodes ----

  *"lists nodes page by page, in the order of addresses"(rig) {
    const plan = PlanBuilder.make("pages", (p) => {
      const each = p.each("each", { over: "input" }, (p) => p.task("b", { after: [p.task("a")] }))
      return p.task("end", { after: [each] })
    })
    const run = yield* rig.submit(plan, { elements: { each: Array.from({ length: 12 }, (_, i) => i) } })
    const all = yield* rig.broker.nodes(run, { limit: 100 })
    equal(all.length, 27)
    isTrue(
      all.every((node, i) => i === 0 || isBefore(all[i - 1]!.address, node.address)),
      `not in the order of addresses: ${all.map((node) => node.address).join(", ")}`
    )
    const paged: Array<NodeView> = []
    for (;;) {
      const page = yield* rig.broker.nodes(run, { after: paged.at(-1)?.address, limit: 4 })
      isTrue(page.length <= 4, `asked for 4 nodes, given ${page.length}`)
      paged.push(...page)
      if (page.length < 4) break
    }
    equal(paged, [...all])
  },

  *"shows of a node its attempt, its worker and its failure"(rig) {
    const plan = PlanBuilder.make("views", (p) => {
      const a = p.task("a", { policy: { attempts: 3, backoff: "fixed", base: 0, jitter: false } })
      return p.pass("end", { after: [a, p.task("b")] })
    })
    const run = yield* rig.submit(plan)
    const worker = yield* rig.hand()
    const [a] = yield* worker.claim()
    yield* worker.report(failed(a!, "Boom"))
    yield* rig.pass(0.1)
    yield* rig.broker.sweep
    const second = yield* worker.take("a")
    const view = { lost: 0, dueAt: undefined, unroutable: false }
    equal(yield* rig.broker.nodes(run, { limit: 10 }), [
      { ...view, address: "0", state: "running", attempt: 2, worker: worker.id, failed: failureOf("Boom") },
      { ...view, address: "1", state: "running", attempt: 1, worker: worker.id, failed: undefined },
      { ...view, address: "2", state: "blocked", attempt: 0, worker: undefined, failed: undefined }
    ])
    yield* worker.report(succeeded(second))
    const node = yield* rig.node(run, "a")
    equal([node.state, node.attempt, node.failed], ["succeeded", 2, undefined])
  },

  // ---- queues, workers, plans ----

  *"counts what is ready in each queue"(rig) {
    const ready = Effect.map(rig.broker.queues, (queues) =>
      Object.fromEntries(queues.filter((queue) => queue.ready > 0).map((queue) => [queue.queue, queue.ready]))
    )
    yield* rig.submit(tasks(3))
    yield* rig.submit(tasks(2, { queue: "other" }))
    equal(yield* ready, { default: 3, other: 2 })
    const worker = yield* rig.hand()
    const jobs = yield* worker.claim(2)
    equal(yield* ready, { default: 1, other: 2 })
    yield* worker.release(jobs[0]!)
    equal(yield* ready, { default: 2, other: 2 })
  },

  *"lists workers with what they said, what they hold and for how long"(rig) {
    const info = { tasks: ["t"], queues: ["default", "other"], concurrency: 100, host: "here:1" }
    yield* rig.hand({ id: "w", tasks: info.tasks, queues: info.queues })
    yield* rig.submit(tasks(3))
    yield* rig.broker.settle({ worker: "w", settlements: [], claim: 2 })
    const [before, ...others] = yield* rig.broker.workers
    equal([{ ...before, leaseUntil: 0 }, others], [{ id: "w", ...info, running: 2, leaseUntil: 0 }, []])
    yield* rig.pass(2)
    yield* rig.broker.renew("w", [])
    const [after] = yield* rig.broker.workers
    isTrue(after!.leaseUntil >= before!.leaseUntil + 2 * rig.unit, "a renewal should extend the lease")
  },

  *"changes nothing by looking"(rig) {
    const run = yield* rig.submit(chord())
    const worker = yield* rig.hand()
    const look = Effect.all([
      rig.broker.run(run),
      rig.broker.runs({ limit: 10 }),
      rig.nodes(run),
      rig.broker.queues,
      rig.broker.workers,
      rig.broker.read(run, ["0", "1"])
    ])
    yield* look
    equal(yield* look, yield* look)
    equal((yield* worker.play({ list: deciding({ each: [1] }) })).length, 3)
  }
})
