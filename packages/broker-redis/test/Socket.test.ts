import * as PlanBuilder from "@arpeggio/core/testing/PlanBuilder"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import * as Diagnosis from "../src/Diagnosis.ts"
import * as Server from "../src/Server.ts"
import * as RedisServer from "./RedisServer.ts"
import * as Scene from "./Scene.ts"

const directory = mkdtempSync(join(tmpdir(), "arpeggio-socket-"))
const path = join(directory, "redis.sock")

let server: RedisServer.OwnServer
beforeAll(async () => {
  server = await RedisServer.startOwn("nothing", ["--unixsocket", path])
}, 120_000)
afterAll(async () => {
  await server.stop()
  rmSync(directory, { recursive: true })
})

const one = PlanBuilder.make("one", (p) => p.task("a"))

describe("A server on a socket", () => {
  it("serves runs, in the database that the URL names", () =>
    Scene.play(
      Effect.gen(function* () {
        const rig = yield* Scene.rig({ url: `redis+socket://${path}?db=3`, namespace: "socket:" })
        const hand = yield* rig.hand({ tasks: ["a"] })
        const id = yield* rig.submit(one)
        expect(yield* hand.play()).toEqual(["a"])
        expect((yield* rig.broker.await(id)).state).toBe("succeeded")
        const keyspace = yield* Effect.promise(() => server.command("INFO", "keyspace"))
        expect(String(keyspace)).toMatch(/\bdb3:/)
        expect(String(keyspace)).not.toMatch(/\bdb0:/)
      })
    ))

  it("is told of in words when it is not there", async () => {
    const of = async (url: string) => (await Diagnosis.of(Result.getOrThrow(Server.fromUrl(url)), 1_000))?.says
    expect(await of(`redis+socket://${path}`)).toBe(undefined)
    expect(await of(`redis+socket://${path}?db=99`)).toBe(
      `The Redis on ${path} has no database 99. Correct the number.`
    )
    expect(await of(`redis+socket://${path}.not`)).toBe(
      `There is no socket ${path}.not. Start a Redis that has it as its \`unixsocket\`, or correct the path.`
    )
  })
})
