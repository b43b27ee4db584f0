import { once } from "node:events"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import * as RedisServer from "../../broker-redis/test/RedisServer.ts"
import { arpeggio, finished, prints, start, timeout } from "./Arpeggio.ts"

const scratch = mkdtempSync(path.join(tmpdir(), "arpeggio-dead-"))
let server: RedisServer.OwnServer
beforeAll(async () => {
  server = await RedisServer.startOwn("everything", ["--maxmemory", "1gb"])
})
afterAll(async () => {
  await server.stop()
  rmSync(scratch, { recursive: true })
})

const here = () => ["--redis", server.url]

/** Starts a worker, lets its handler kill it, and its lease end now. */
const loseWorker = async () => {
  const worker = start("worker", "crashing.ts", "--no-sweep", ...here())
  const [, signal] = await once(worker, "exit")
  expect(signal).toBe("SIGKILL")
  const leases = (await server.command("ZRANGE", "arpeggio:{0}:ws", 0, -1)) as ReadonlyArray<string>
  expect(leases).toHaveLength(1)
  await server.command("ZADD", "arpeggio:{0}:ws", "XX", 0, leases[0]!)
}

describe("arpeggio dead", { timeout }, () => {
  it("lists a node that killed three workers, says how to run it again, and lists it no more once that is done", async () => {
    const until = path.join(scratch, "mended")
    expect(await arpeggio("dead", ...here())).toEqual({
      code: 0,
      stdout: "There are no dead letters: no node was given up because workers died over it.\n",
      stderr: ""
    })
    expect((await arpeggio("doctor", ...here())).stdout).toContain("✓ dead         No node was given up")

    const input = JSON.stringify({ files: ["a.png"], until })
    await arpeggio("submit", "crashing.ts#converts", "--id", "album 7", "-i", input, ...here())
    const orchestrator = start("orchestrator", ...here())
    const swept = finished(orchestrator)
    for (let i = 0; i < 3; i++) {
      const lost = prints(orchestrator, "1 worker fell silent")
      await loseWorker()
      await lost
    }
    expect(await arpeggio("result", "album 7", ...here())).toMatchObject({ code: 1 })

    const dead = await arpeggio("dead", ...here())
    expect({ code: dead.code, stderr: dead.stderr }).toEqual({ code: 0, stderr: "" })
    const [heading, row] = dead.stdout.split("\n")
    expect(heading).toMatch(/^run +node +flow +task +queue +attempt +workers lost +given up$/)
    expect(row).toMatch(/^album 7 +each\[0\]\.convert +converts +convert +images +1 +3 +.* ago$/)
    const [why, retry] = dead.stdout
      .split("\n")
      .filter((line) => line.startsWith("  arpeggio "))
      .map((line) => line.trim())
    expect(why).toBe(`arpeggio show 'album 7' --why 'each[0].convert' --redis ${server.url}`)
    expect(retry).toBe(`arpeggio retry 'album 7' --from 'each[0].convert' --redis ${server.url}`)
    const explained = await arpeggio("show", "album 7", "--why", "each[0].convert", ...here())
    expect(explained.stdout).toMatch(
      /^each\[0\]\.convert: failed at attempt 1: 3 workers died while they ran it\..*retry the run\.\n$/
    )
    const { stdout } = await arpeggio("dead", "--limit", "1", "--json", ...here())
    expect(JSON.parse(stdout)).toEqual([
      {
        run: "album 7",
        flow: "converts",
        state: "failed",
        node: "each[0].convert",
        address: expect.any(String),
        task: "convert",
        queue: "images",
        attempt: 1,
        lost: 3,
        since: expect.any(Number),
        why,
        retry
      }
    ])
    const doctor = await arpeggio("doctor", ...here())
    expect(doctor.code).toBe(0)
    expect(doctor.stdout).toContain("! dead         1 node was given up because workers died over it.\n")
    expect(doctor.stdout).toContain(`arpeggio dead --redis ${server.url}\n`)
    expect(doctor.stdout).toMatch(/\nIt can be used; 1 warning above\.\n$/)

    writeFileSync(until, "")
    await arpeggio("retry", "album 7", "--from", "each[0].convert", ...here())
    const worker = start("worker", "crashing.ts", ...here())
    const end = finished(worker)
    const result = await arpeggio("result", "album 7", ...here())
    expect(JSON.parse(result.stdout)).toEqual(["a.png converted"])
    expect((await arpeggio("dead", "--json", ...here())).stdout).toBe("[]\n")
    worker.kill("SIGTERM")
    orchestrator.kill("SIGTERM")
    expect([(await end).code, (await swept).code]).toEqual([0, 0])
  })
})
