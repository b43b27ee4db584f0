import * as Keys from "@arpeggio/broker-redis/Keys"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { createServer } from "node:net"
import type { Server } from "node:net"
import { once } from "node:events"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import * as RedisServer from "../../broker-redis/test/RedisServer.ts"
import * as Diagnosis from "../src/Diagnosis.ts"
import * as Store from "../src/Store.ts"

const find = (redis?: string, namespace?: string) =>
  Store.find({ redis: Option.fromNullishOr(redis), namespace: Option.fromNullishOr(namespace) })

const variable = "ARPEGGIO_REDIS_URL"

describe("Store", () => {
  let before: string | undefined
  beforeEach(() => {
    before = process.env[variable]
    delete process.env[variable]
  })
  afterEach(() => {
    if (before === undefined) delete process.env[variable]
    else process.env[variable] = before
  })

  it("is named by the flag before the environment, and may be named by neither", () => {
    expect(find()).toEqual(Result.succeed(undefined))
    process.env[variable] = "redis://env:1"
    expect(find()).toMatchObject({ success: { url: "redis://env:1", flags: "" } })
    expect(find("redis://flag:2", "shop:")).toMatchObject({
      success: { url: "redis://flag:2", flags: " --redis redis://flag:2 --namespace shop:" }
    })
  })

  it("tells the broker what is asked for, and nothing else", () => {
    const given = { redis: Option.some("redis://h"), namespace: Option.none() }
    const settings = (more: Partial<Store.Given>) =>
      Result.map(Store.named({ ...given, ...more }), (store) => store.settings)
    expect(settings({})).toEqual(Result.succeed({ partitions: undefined, stallBudget: undefined }))
    expect(settings({ partitions: Option.some(4), stallBudget: Option.none() })).toEqual(
      Result.succeed({ partitions: 4, stallBudget: undefined })
    )
    expect(settings({ stallBudget: Option.some(90_000) })).toEqual(
      Result.succeed({ partitions: undefined, stallBudget: 90_000 })
    )
  })

  it("accepts as many partitions as the broker does", () => {
    expect(Store.mostPartitions).toBe(Keys.mostPartitions)
  })

  it("never shows its password, and says when it was typed where others can read it", () => {
    process.env[variable] = "redis://joe:sesam@env:1/2"
    expect(find()).toMatchObject({ success: { name: "redis://joe@env:1/2", flags: "", exposed: false } })
    expect(find("redis://:sesam@flag:2")).toMatchObject({
      success: { name: "redis://flag:2", flags: ' --redis "$ARPEGGIO_REDIS_URL"', exposed: true }
    })
    expect(JSON.stringify(find("http://:sesam@flag:2"))).not.toContain("sesam")
  })

  it.each(["localhost:6379", "http://localhost:6379", "redis://", ""])("refuses %j as the URL of a Redis", (url) => {
    expect(find(url)).toMatchObject({ failure: { reason: "NoStore" } })
  })
})

/** A server that is no Redis: does this with each connection. */
const other = async (answer: Parameters<typeof createServer>[1]): Promise<readonly [Server, string]> => {
  const server = createServer(answer).listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  return [server, `127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`]
}

describe("Diagnosis", () => {
  it("says what is wrong with a Redis that asks for a password, and nothing when it is the right one", async () => {
    const server = await RedisServer.startOwn("nothing", ["--requirepass", "sesam"])
    const at = `127.0.0.1:${server.port}`
    try {
      expect(await Diagnosis.of(`redis://${at}`)).toContain("asks for a password. Put it into the URL")
      expect(await Diagnosis.of(`redis://:wrong@${at}`)).toContain("does not accept the password.")
      expect(await Diagnosis.of(`redis://joe:wrong@${at}`)).toContain("does not accept the password of user joe.")
      expect(await Diagnosis.of(`redis://:sesam@${at}/99`)).toContain("has no database 99.")
      expect(await Diagnosis.of(`redis://:sesam@${at}/3`)).toBeUndefined()
    } finally {
      await server.stop()
    }
  })

  it("says that nothing listens, that something else does, or that it hangs up", async () => {
    const port = await RedisServer.freePort()
    expect(await Diagnosis.of(`redis://127.0.0.1:${port}`)).toContain("No Redis listens on")
    const [web, webAt] = await other((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"))
    expect(await Diagnosis.of(`redis://${webAt}`)).toBe(
      `What answers on ${webAt} is no Redis. Look at the port in the URL.`
    )
    const [closing, closingAt] = await other((socket) => socket.resume().once("data", () => socket.end()))
    expect(await Diagnosis.of(`redis://${closingAt}`)).toContain("lets in and hangs up. If it speaks TLS")
    web.close()
    closing.close()
  })
})
