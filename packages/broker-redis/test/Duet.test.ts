import * as Effect from "effect/Effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import type { Story } from "./Disagreement.ts"
import { disagreement, stories } from "./Disagreement.ts"
import * as RedisServer from "./RedisServer.ts"

let server: RedisServer.RedisServer
beforeAll(async () => {
  server = await RedisServer.start()
}, 120_000)
afterAll(() => server.stop())

const agree = async (story: Story, seeds: number) => {
  const only = process.env["ARPEGGIO_SEED"]
  const first = only === undefined ? 1 : Number(only)
  const count = only === undefined ? Number(process.env["ARPEGGIO_RUNS"] ?? seeds) : 1
  expect(await Effect.runPromise(disagreement(server.url, story, { first, count }))).toBeUndefined()
}

describe("RedisBroker gives the same answers as the memory broker and shows the same run after each, on random plans and commands", () => {
  it("short: while nothing is retried", () => agree(stories.short, 60), 600_000)
  it("retried: with retries of whatever ended", () => agree(stories.retried, 60), 600_000)
  it("timed: while time passes and workers are lost", () => agree(stories.timed, 45), 600_000)
  it("deadly: when each of them takes along what it held", () => agree(stories.deadly, 30), 600_000)
  it("twice: when every call is sent again after its answer was lost", () => agree(stories.twice, 45), 600_000)
  it("large: with hundreds of elements, staged and handled in slices", () => agree(stories.large, 15), 600_000)
})
