import type { Plan } from "@arpeggio/core/Plan"
import * as PlanBuilder from "@arpeggio/core/testing/PlanBuilder"
import * as Answer from "@arpeggio/core/testing/suite/Answer"
import type * as Rig from "@arpeggio/core/testing/suite/Rig"
import { chain, chord, group, nested, single } from "@arpeggio/core/testing/suite/plans"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import * as Connection from "../src/Connection.ts"
import * as Repair from "../src/Repair.ts"
import * as Scripts from "../src/Scripts.ts"
import * as Server from "../src/Server.ts"
import * as RedisServer from "./RedisServer.ts"
import * as Scene from "./Scene.ts"

let server: RedisServer.OwnServer
beforeAll(async () => {
  server = await RedisServer.startOwn("nothing")
}, 120_000)
afterAll(() => server.stop())

let stores = 0

const open = (retention?: { readonly count: number }) =>
  Effect.gen(function* () {
    const namespace = `repair-${stores++}:`
    const prefix = `${namespace}{0}:`
    const connection = yield* Connection.make({
      server: yield* Effect.fromResult(Server.fromUrl(Redacted.make(server.url))),
      deadline: 5_000,
      redis: {}
    })
    return {
      rig: yield* Scene.rig({ url: server.url, namespace, retention }),
      command: (name: string, key: string, ...args: ReadonlyArray<string>) =>
        Effect.promise(() => server.command(name, prefix + key, ...args)),
      condemn: (id: string) =>
        Effect.promise(() => server.command("FCALL", Scripts.condemn.name, 1, prefix, id, "somebody broke it")),
      repair: Repair.repair(connection, namespace)
    }
  })

const elements: { readonly [id: string]: Answer.Answer } = {
  list: (job) => Answer.decided(job, { each: [1, 2, 3] }),
  rows: (job) => Answer.decided(job, { row: [1, 2] }),
  cells: (job) => Answer.decided(job, { col: [1, 2] })
}

/** A bounded `forEach` over what a task says, of a join that waits and one that does not, and a race. */
const mixed: Plan = PlanBuilder.make("mixed", (p) => {
  const list = p.task("list")
  const each = p.each("each", { over: list, concurrency: 1 }, (p) => p.task("double", { after: [list] }))
  const [x, y] = [p.task("x"), p.task("y")]
  const first = p.pass("first", { after: [x, y], join: "any" })
  const all = p.pass("all", { after: [each, first], join: "settled" })
  return p.task("end", { after: [all, y], cleanup: true })
})

const answer = (job: Answer.Job) => (elements[job.name] ?? elements[Answer.nodeIdOf(job)] ?? Answer.succeeded)(job)!

/** Answers some jobs, the last claimed first, and holds the others. */
const playSome = Effect.fnUntraced(function* (hand: Rig.Hand, count: number) {
  const jobs = [...(yield* hand.claim())]
  for (let i = 0; i < count && jobs.length > 0; i++) {
    const settled = yield* hand.settle([answer(jobs.pop()!)], 100)
    jobs.push(...settled.jobs)
  }
  return jobs
})

/** The states of nodes that have not ended. */
const unended: ReadonlySet<string> = new Set(["blocked", "ready", "running", "scheduled"])

describe("A damaged run that is repaired", () => {
  for (const plan of [chain, group(3), chord(), chord(1), nested, mixed]) {
    it(`has failed, and ends well when it is retried, wherever it stood: ${plan.flow}`, () =>
      Scene.play(
        Effect.gen(function* () {
          const { command, condemn, repair, rig } = yield* open()
          for (let steps = 0; steps < 12; steps++) {
            const id = yield* rig.submit(plan)
            const hand = yield* rig.hand()
            const held = yield* playSome(hand, steps)
            if ((yield* rig.broker.run(id)).state !== "running") break
            // Beside what is said of it, one of its nodes is unreadable, each in its turn.
            const cells = ((yield* command("HKEYS", `r:${id}`)) as ReadonlyArray<string>).filter((field) =>
              /^\d/.test(field)
            )
            yield* command("HSET", `r:${id}`, cells[steps % cells.length]!, "zzz")
            yield* condemn(id)
            const [repaired, ...others] = yield* repair
            expect(others).toEqual([])
            expect(repaired).toMatchObject({ run: id, issue: "somebody broke it", isReadable: true })
            const end = yield* rig.broker.await(id)
            expect(end.state).toBe("failed")
            expect(end.failure?.attempt).toBe(1)
            expect(JSON.parse(end.failure!.failed.error)).toEqual({ _tag: "Damaged", issue: "somebody broke it" })
            const nodes = yield* rig.nodes(id)
            expect(nodes.filter(({ state }) => unended.has(state))).toEqual([])
            // What a worker has of it is nobody's any more.
            expect(yield* hand.report(...held.map(Answer.succeeded))).toEqual(held.map(() => "stale"))
            expect((yield* rig.broker.workers).map(({ running }) => running)).toEqual([0])

            yield* rig.broker.retry(id)
            yield* hand.play(elements)
            expect([plan.flow, steps, (yield* rig.broker.await(id)).state]).toEqual([plan.flow, steps, "succeeded"])
            expect((yield* rig.nodes(id)).filter(({ state }) => unended.has(state))).toEqual([])
            yield* rig.broker.unregister(hand.id)
          }
          expect(yield* repair).toEqual([])
        })
      ))
  }

  it("ends as it was decided, where that had been", () =>
    Scene.play(
      Effect.gen(function* () {
        const { condemn, repair, rig } = yield* open()
        const plan = PlanBuilder.make("race", (p) => {
          const [x, y] = [p.task("x"), p.task("y")]
          return p.pass("first", { after: [x, y], join: "any" })
        })
        const id = yield* rig.submit(plan)
        const hand = yield* rig.hand()
        yield* hand.report(Answer.succeeded(yield* hand.take("x")))
        yield* condemn(id)
        expect(yield* repair).toMatchObject([{ run: id, state: "succeeded", isReadable: true }])
        expect((yield* rig.broker.await(id)).state).toBe("succeeded")
        expect(yield* rig.states(id)).toMatchObject({ x: "succeeded", y: "cancelled" })
      })
    ))

  it("stays as it ended, where it had, and goes with retention", () =>
    Scene.play(
      Effect.gen(function* () {
        const { command, condemn, repair, rig } = yield* open({ count: 0 })
        const id = yield* rig.submit(single())
        const hand = yield* rig.hand()
        yield* hand.report(Answer.succeeded(yield* hand.take("a")))
        const kept = yield* rig.submit(single())
        // A sweep that stumbled over it has passed it over.
        yield* command("DEL", "done:S")
        yield* condemn(id)
        expect(yield* repair).toMatchObject([{ run: id, state: "succeeded", isReadable: true }])
        expect((yield* rig.broker.await(id)).state).toBe("succeeded")
        expect((yield* rig.broker.sweep).removed).toBe(1)
        expect((yield* rig.broker.runs({ limit: 10 })).map((run) => run.id)).toEqual([kept])
      })
    ))

  it("has failed where it can't be read as well, and goes with retention", () =>
    Scene.play(
      Effect.gen(function* () {
        const { command, condemn, repair, rig } = yield* open({ count: 0 })
        const ids = ["state", "key", "plan", "entry"]
        for (const id of ids) yield* rig.submit(id === "entry" ? single() : chain, { id })
        const m = String(yield* command("HGET", "r:plan", "m"))
        yield* command("DEL", `p:${m.split(",")[2]}`)
        yield* command("HSET", "r:state", "m", "zzz")
        yield* command("SET", "r:key", "zzz")
        yield* command("HSET", "b:en", "try", "zzz")
        yield* Effect.promise(() => server.command("FUNCTION", "FLUSH"))
        yield* rig.broker.sweep
        for (const id of ids) yield* condemn(id)
        const repaired = yield* repair
        expect(repaired.map(({ isReadable, state }) => [isReadable, state])).toEqual(Array(4).fill([false, "failed"]))
        for (const id of ["state", "key", "entry"])
          expect(yield* Effect.flip(rig.broker.await(id))).toMatchObject({ _tag: "RunDamaged", run: id })
        expect(yield* (yield* rig.hand()).claim()).toEqual([])
        expect((yield* rig.broker.sweep).removed).toBe(4)
        const left = (yield* command("LRANGE", "runs", "0", "-1")) as ReadonlyArray<string>
        expect(left).toEqual([])
        expect(yield* Effect.flip(rig.broker.await("key"))).toMatchObject({ _tag: "RunNotFound" })
      })
    ))
})
