import { Broker } from "@arpeggio/core/Broker"
import * as Answer from "@arpeggio/core/testing/suite/Answer"
import * as PlanBuilder from "@arpeggio/core/testing/PlanBuilder"
import * as Rig from "@arpeggio/core/testing/suite/Rig"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import * as RedisBroker from "../src/RedisBroker.ts"
import * as RedisServer from "./RedisServer.ts"

let server: RedisServer.OwnServer
beforeAll(async () => {
  server = await RedisServer.startOwn("everything")
}, 120_000)
afterAll(() => server?.stop())

const single = PlanBuilder.make("single", (p) => p.task("a"))

/** Makes the data of a run something that no script expects. */
const damage = (namespace: string, run: string) =>
  Effect.promise(async () => {
    await server.command("DEL", `${namespace}{0}:r:${run}`)
    await server.command("SET", `${namespace}{0}:r:${run}`, "damaged")
  })

describe("a run whose data is damaged", () => {
  it("does not hold up the outcomes that are reported with its own, and is named in the log", async () => {
    const logged: Array<string> = []
    const logger = Logger.make(({ logLevel, message }) => void logged.push(`${logLevel} ${String(message)}`))
    await Effect.runPromise(
      Effect.gen(function* () {
        const namespace = "damaged:"
        const broker = Context.get(yield* Layer.build(RedisBroker.layer({ url: server.url, namespace })), Broker)
        const rig = Rig.make(broker, { unit: 50, passTime: Effect.sleep })
        for (const id of ["one", "two", "three"]) yield* rig.submit(single, { id })
        const hand = yield* rig.hand()
        const jobs = yield* hand.claim(3)
        yield* damage(namespace, "two")
        yield* rig.submit(single, { id: "four" })
        const settled = yield* hand.settle(
          jobs.map((job) => Answer.succeeded(job)),
          1
        )
        expect(settled.receipts).toEqual(["recorded", "stale", "recorded"])
        expect(settled.jobs.map(({ run }) => run)).toEqual(["four"])
        expect((yield* broker.await("three")).state).toBe("succeeded")
        expect(logged.filter((line) => line.includes("of run two can't be recorded"))).toHaveLength(1)
        // Alone it is refused for good, and not as an outage.
        const alone = yield* Effect.exit(broker.run("two"))
        expect(Exit.isFailure(alone) && Cause.hasDies(alone.cause)).toBe(true)
      }).pipe(Effect.scoped, Effect.provide(Logger.layer([logger])))
    )
  })
})
