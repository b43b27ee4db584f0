import * as PlanBuilder from "@arpeggio/core/testing/PlanBuilder"
import * as Answer from "@arpeggio/core/testing/suite/Answer"
import { group } from "@arpeggio/core/testing/suite/plans"
import * as Effect from "effect/Effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import * as RedisServer from "./RedisServer.ts"
import * as Scene from "./Scene.ts"

let server: RedisServer.OwnServer
beforeAll(async () => {
  server = await RedisServer.startOwn("nothing")
}, 120_000)
afterAll(() => server.stop())

let stores = 0

const open = Effect.suspend(() => Scene.rig({ url: server.url, namespace: `closing-${stores++}:` }))

const other = PlanBuilder.make("other", (p) => p.task("b", { after: [p.task("a")] }))

describe("A run that closes", () => {
  const cost = (held: number) =>
    Effect.gen(function* () {
      const rig = yield* open
      yield* rig.submit(group(3))
      for (let i = 0; i < held; i++) yield* rig.submit(other)
      const hand = yield* rig.hand()
      const [first] = yield* hand.claim(3 + held)
      const { commands, result } = yield* Scene.asked(server, hand.settle([Answer.failed(first!, "Boom")], 0))
      expect(result.interrupt.length).toBe(2)
      return commands
    })

  it("costs the same however much its worker holds of others", () =>
    Scene.play(
      Effect.gen(function* () {
        // The first of its kind reads its plan.
        yield* cost(1)
        expect(yield* cost(60)).toEqual(yield* cost(1))
      })
    ))

  it("costs nothing more where the rest of it is reported by the same call", () =>
    Scene.play(
      Effect.gen(function* () {
        const rig = yield* open
        const run = yield* rig.submit(group(3))
        const hand = yield* rig.hand()
        const [t0, t1, t2] = yield* hand.claim()
        const reports = [Answer.failed(t0!, "Boom"), Answer.succeeded(t1!), Answer.succeeded(t2!)]
        const { commands } = yield* Scene.asked(server, hand.settle(reports, 0))
        expect(commands.filter((command) => /^(hscan|hkeys|zrange)/.test(command))).toEqual([])
        expect(yield* rig.states(run)).toMatchObject({ t0: "failed", t1: "succeeded", t2: "succeeded" })
        expect((yield* rig.broker.await(run)).state).toBe("failed")
      })
    ))
})
