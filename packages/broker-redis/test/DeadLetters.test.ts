import { Broker } from "@arpeggio/core/Broker"
import { single } from "@arpeggio/core/testing/suite/plans"
import * as Rig from "@arpeggio/core/testing/suite/Rig"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import * as RedisBroker from "../src/RedisBroker.ts"
import * as RedisServer from "./RedisServer.ts"

let server: RedisServer.OwnServer
beforeAll(async () => {
  server = await RedisServer.startOwn("nothing")
}, 120_000)
afterAll(() => server.stop())

const list = "dead:{0}:dead"

const command = (name: string, ...args: ReadonlyArray<string | number>) =>
  Effect.promise(() => server.command(name, ...args))

/** A worker dies over the only node of a run. */
const giveUp = Effect.fnUntraced(function* (rig: Rig.Rig, id: string) {
  yield* rig.submit(single(), { id })
  const worker = yield* rig.hand()
  yield* worker.take("a")
  yield* command("ZADD", "dead:{0}:ws", "XX", 0, worker.id)
  yield* rig.broker.sweep
})

describe("Dead letters in Redis", () => {
  it("are found behind any number of notes that hold no more, and the list keeps its newest 10,000", () =>
    Effect.runPromise(
      Effect.scoped(
        Effect.gen(function* () {
          const layer = RedisBroker.layer({ url: server.url, namespace: "dead:", maxDeliveries: 1 })
          const rig = Rig.make(Context.get(yield* Layer.build(layer), Broker), { unit: 50, passTime: Effect.sleep })
          const runs = Effect.map(rig.broker.dead({ limit: 100 }), (letters) => letters.map(({ run }) => run))
          yield* giveUp(rig, "first")
          for (let i = 0; i < 9_998; i += 1_000) {
            const notes = Array.from({ length: Math.min(1_000, 9_998 - i) }, (_, j) => `gone-${i + j}\t0\t1\t1\t0`)
            yield* command("RPUSH", list, ...notes)
          }
          yield* giveUp(rig, "second")
          expect([yield* command("LLEN", list), yield* runs]).toEqual([10_000, ["second", "first"]])
          yield* giveUp(rig, "third")
          expect([yield* command("LLEN", list), yield* runs]).toEqual([10_000, ["third", "second"]])
        })
      )
    ))
})
