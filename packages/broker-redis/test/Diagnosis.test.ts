import { once } from "node:events"
import { createServer } from "node:net"
import type { AddressInfo, Server as TcpServer } from "node:net"
import * as Result from "effect/Result"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import * as Diagnosis from "../src/Diagnosis.ts"
import * as Server from "../src/Server.ts"
import * as RedisServer from "./RedisServer.ts"

let server: RedisServer.OwnServer
beforeAll(async () => {
  server = await RedisServer.startOwn("nothing", ["--requirepass", "sesam"])
}, 120_000)
afterAll(() => server?.stop())

const of = async (url: string, patience = 3_000) =>
  Diagnosis.of(Result.getOrThrow(Server.fromUrl(url)), patience).then((trouble) => trouble?.says)

const others: Array<TcpServer> = []
afterAll(() => others.forEach((other) => other.close()))

/** A server that is no Redis: does this with each connection. */
const other = async (answer: Parameters<typeof createServer>[1]): Promise<string> => {
  const listening = createServer(answer).listen(0, "127.0.0.1")
  others.push(listening)
  await once(listening, "listening")
  return `127.0.0.1:${(listening.address() as AddressInfo).port}`
}

const mute = () => other((socket) => socket.resume())

describe("Diagnosis", () => {
  it("says that a password is asked for or wrong, that there is no such database, and nothing when all is right", async () => {
    const at = `127.0.0.1:${server.port}`
    expect(await of(`redis://${at}`)).toContain(`The Redis on ${at} asks for a password. Give it in the URL`)
    expect(await of(`redis://:wrong@${at}`)).toContain("does not accept the password. Correct it in the URL")
    expect(await of(`redis://joe:wrong@${at}`)).toContain("does not accept the password of user joe.")
    expect(await of(`redis://:sesam@${at}/99`)).toBe(`The Redis on ${at} has no database 99. Correct the number.`)
    expect(await of(`redis://:sesam@${at}/3`)).toBe(undefined)
  })

  it("says that nothing listens, that there is no such host, that something else listens, hangs up or says nothing", async () => {
    const port = await RedisServer.freePort()
    expect(await of(`redis://127.0.0.1:${port}`)).toBe(
      `No Redis listens on 127.0.0.1:${port}. Start one there (redis-server), or correct the address.`
    )
    expect(await of("redis://nowhere.invalid")).toBe("There is no host named nowhere.invalid. Correct the address.")
    const web = await other((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"))
    expect(await of(`redis://${web}`)).toBe(`What answers on ${web} is no Redis. Look at the port.`)
    expect(await of(`rediss://${web}`)).toContain("speaks no TLS. Write redis:// instead of rediss://")
    const closing = await other((socket) => socket.resume().once("data", () => socket.end()))
    expect(await of(`redis://${closing}`)).toContain("hangs up. If it speaks TLS, write rediss:// instead of redis://")
    expect(await of(`rediss://${closing}`)).toContain("hangs up. If it speaks no TLS, write redis:// instead of")
    expect(await of(`redis://${await mute()}`, 100)).toContain("lets in and does not answer within 100 ms.")
    expect(await of(`rediss://${await mute()}`, 100)).toContain("If it speaks no TLS, write redis:// instead of")
  })

  it("asks each of several addresses, and says what is wrong where none of them answers", async () => {
    const [at, gone] = [`127.0.0.1:${server.port}`, `127.0.0.1:${await RedisServer.freePort()}`]
    expect(await of(`redis+cluster://:sesam@${gone},${at}`)).toContain(`${at} is no part of a Cluster. Write redis://`)
    expect(await of(`redis+sentinel://${gone}/prime`)).toContain(`No Sentinel listens on ${gone}.`)
    expect(await of(`redis+sentinel://${gone},${at}/prime?sentinelPassword=sesam`)).toContain(
      `What answers on ${at} is no Sentinel but a Redis.`
    )
  })
})
