import { Broker } from "@arpeggio/core/Broker"
import * as PlanBuilder from "@arpeggio/core/testing/PlanBuilder"
import * as Answer from "@arpeggio/core/testing/suite/Answer"
import * as Rig from "@arpeggio/core/testing/suite/Rig"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { Redis } from "ioredis"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import * as RedisBroker from "../src/RedisBroker.ts"
import * as Scripts from "../src/Scripts.ts"
import * as RedisServer from "./RedisServer.ts"

let server: RedisServer.OwnServer
beforeAll(async () => {
  server = await RedisServer.startOwn("nothing")
}, 120_000)
afterAll(() => server.stop())

const { fcall } = Redis.prototype
afterEach(() => {
  Redis.prototype.fcall = fcall
})

let stores = 0

type Meddle = (broker: Broker["Service"], staged: ReadonlyArray<string>) => Promise<unknown>

const vanish: Meddle = (_, staged) => server.command("DEL", ...staged)
const sweep: Meddle = (broker) => Effect.runPromise(broker.sweep)

/** Plays the story; something happens to what is staged before the first call of the script that uses it. */
const story = (
  name: string,
  script: Scripts.Script,
  meddle: Meddle,
  tell: (rig: Rig.Rig) => Effect.Effect<void, unknown, Scope.Scope>
) =>
  it(name, () =>
    Effect.runPromise(
      Effect.scoped(
        Effect.gen(function* () {
          const namespace = `staging-${stores++}:`
          const broker = Context.get(yield* Layer.build(RedisBroker.layer({ url: server.url, namespace })), Broker)
          let isFirst = true
          Redis.prototype.fcall = async function (this: Redis, ...call: Parameters<typeof fcall>) {
            const staged = (await server.command("KEYS", `${namespace}{0}:g:*`)) as ReadonlyArray<string>
            if (isFirst && call[0] === script.name && staged.length > 0) {
              isFirst = false
              await meddle(broker, staged)
            }
            return fcall.apply(this, call)
          } as typeof fcall
          yield* tell(Rig.make(broker, { unit: 50, passTime: Effect.sleep }))
          expect(isFirst).toBe(false)
        })
      )
    )
  )

const numbers = Array.from({ length: 600 }, (_, i) => i)

const plan = (over: "input" | "split") =>
  PlanBuilder.make("fan", (p) => {
    const split = p.task("split")
    return p.each("each", { over: over === "input" ? over : split }, (p) => p.task("part"))
  })

describe("What was staged and is gone when it is needed", () => {
  story("is staged again for a submission", Scripts.submit, vanish, (rig) =>
    Effect.gen(function* () {
      const id = yield* rig.submit(plan("input"), { elements: { each: numbers } })
      const hand = yield* rig.hand()
      expect(yield* hand.play()).toHaveLength(601)
      expect((yield* rig.broker.await(id)).state).toBe("succeeded")
    })
  )

  story("leaves a report unmade, and its worker with the delivery", Scripts.settle, vanish, (rig) =>
    Effect.gen(function* () {
      const id = yield* rig.submit(plan("split"))
      const hand = yield* rig.hand()
      const [split] = yield* hand.claim()
      const answer = Answer.decided(split!, { each: numbers })
      expect((yield* hand.settle([answer], 0)).receipts).toEqual(["stale"])
      expect((yield* hand.settle([answer], 0)).receipts).toEqual(["recorded"])
      expect(yield* hand.play()).toHaveLength(600)
      expect((yield* rig.broker.await(id)).state).toBe("succeeded")
    })
  )

  story("is staged again for a retry", Scripts.retry, vanish, (rig) =>
    Effect.gen(function* () {
      const id = yield* rig.submit(plan("split"))
      const hand = yield* rig.hand()
      yield* hand.play({ split: (job) => Answer.decided(job, { each: numbers }) })
      expect(yield* rig.broker.retry(id, PlanBuilder.addressOf(plan("split"), "split"))).toEqual({ generation: 2 })
      expect(yield* hand.play({ split: (job) => Answer.decided(job, { each: [1, 2] }) })).toHaveLength(3)
      expect((yield* rig.broker.await(id)).state).toBe("succeeded")
    })
  )
})

describe("What was staged and is about to be used", () => {
  story("is left alone by a sweep", Scripts.settle, sweep, (rig) =>
    Effect.gen(function* () {
      const id = yield* rig.submit(plan("split"))
      const hand = yield* rig.hand()
      const [split] = yield* hand.claim()
      expect((yield* hand.settle([Answer.decided(split!, { each: numbers })], 0)).receipts).toEqual(["recorded"])
      expect(yield* hand.play()).toHaveLength(600)
      expect((yield* rig.broker.await(id)).state).toBe("succeeded")
    })
  )
})
