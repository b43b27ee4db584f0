import { afterAll, beforeAll, describe, expect, it } from "vitest"
import * as Authority from "../../broker-redis/test/Authority.ts"
import * as RedisServer from "../../broker-redis/test/RedisServer.ts"
import { arpeggio, finished, prints, start, timeout } from "./Arpeggio.ts"

let server: RedisServer.OwnServer
beforeAll(async () => {
  server = await RedisServer.startOwn("everything", ["--maxmemory", "1gb"])
})
afterAll(() => server.stop())

const authority = await Authority.makeWherePossible()
afterAll(() => authority?.remove())

const doctor = (...args: ReadonlyArray<string>) => arpeggio("doctor", "--redis", server.url, ...args)

/** What marks the line about something: `✓`. */
const markOf = (stdout: string, about: string): string | undefined =>
  stdout
    .split("\n")
    .find((line) => line.slice(2).startsWith(`${about} `) && !line.startsWith("·"))
    ?.slice(0, 1)

describe("arpeggio doctor", { timeout }, () => {
  it("says of a store that is sound why it is, what is in it, and ends with 0", async () => {
    await arpeggio("submit", "flows.ts#hello", "-i", '{"name":"you"}', "--redis", server.url)
    const { code, stdout, stderr } = await doctor()
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
    expect(stdout).toMatch(
      /^(Redis|Valkey) \d+\.\d+\.\d+ at redis:\/\/127\.0\.0\.1:\d+\nUp for .*, .* in use of 1\.0 GiB\.\n/
    )
    const about = ["server", "role", "rights", "layout", "eviction", "memory", "persistence", "clock", "sweeps"]
    expect(about.map((name) => markOf(stdout, name))).toEqual(about.map(() => "✓"))
    expect(stdout).toContain("1 run: 1 running, 0 succeeded, 0 failed, 0 cancelled.")
    expect(stdout).toMatch(/^default +1 +0 +0 +(?:greet \(1\)|all: no worker takes from it)$/m)
    expect(stdout).toContain("There are no workers.")
    expect(stdout).toMatch(/\nIt is sound\.\n$/)
  })

  it("ends with 1 where runs must not be kept, says what to do, and does not look into the store", async () => {
    await server.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    await server.command("SET", "old:{0}:schema", 99)
    try {
      const { code, stdout, stderr } = await doctor("--namespace", "old:")
      expect({ code, stderr }).toEqual({ code: 1, stderr: "" })
      expect(["eviction", "layout", "persistence"].map((name) => markOf(stdout, name))).toEqual(["✗", "✗", "✓"])
      expect(stdout).toContain("               Set maxmemory-policy to noeviction")
      expect(stdout).toMatch(/\n2 errors: runs must not be kept here before that is mended\.\n$/)
      expect(stdout).not.toContain("There are no runs")
      const other = await arpeggio("runs", "--redis", server.url, "--namespace", "old:")
      expect(other).toMatchObject({ code: 3, stdout: "", stderr: expect.stringContaining("has layout 99") })
    } finally {
      await server.command("CONFIG", "SET", "maxmemory-policy", "noeviction")
    }
  })

  it("goes on with a warning, and prints one document with --json", async () => {
    await server.command("CONFIG", "SET", "appendonly", "no")
    try {
      const { code, stdout, stderr } = await doctor("--json")
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
      expect(JSON.parse(stdout)).toMatchObject({
        store: server.url,
        server: { name: expect.any(String), maxMemory: 2 ** 30 },
        checks: expect.arrayContaining([
          { level: "ok", about: "role", says: "The server is a primary." },
          {
            level: "warning",
            about: "persistence",
            says: expect.any(String),
            advice: expect.stringContaining("appendonly")
          }
        ]),
        errors: 0,
        warnings: 1,
        runs: { newest: 1, running: 1 },
        queues: [{ queue: "default", ready: 1 }],
        workers: []
      })
    } finally {
      await server.command("CONFIG", "SET", "appendonly", "yes")
    }
  })

  it("names the rights that a user lacks", async () => {
    await server.command("ACL", "SETUSER", "joe", "on", ">sesam", "~*", "&*", "+@all", "-hset", "-zadd")
    const url = server.url.replace("redis://", "redis://joe:sesam@")
    const { code, stdout, stderr } = await arpeggio("doctor", "--redis", url)
    expect(code).toBe(1)
    expect(markOf(stdout, "rights")).toBe("✗")
    expect(stdout).toContain("may not run hset, zadd.")
    expect(stdout + stderr).not.toContain("sesam")
  })

  it.skipIf(authority === undefined)("looks over TLS, at a server whose authority the URL names", async () => {
    const port = await RedisServer.freePort()
    const secure = await RedisServer.startOwn("everything", authority!.options(port, "anybody"))
    const url = `rediss://127.0.0.1:${port}`
    try {
      const { code, stdout } = await arpeggio("doctor", "--redis", `${url}?ca=${authority!.ca}`)
      expect({ code, name: stdout.split("\n")[0] }).toEqual({ code: 0, name: expect.stringContaining(`at ${url}?ca=`) })
      expect(await arpeggio("doctor", "--redis", url)).toEqual({
        code: 3,
        stdout: "",
        stderr: expect.stringMatching(
          /^arpeggio: The store \S+ can't be used: The certificate of .* \?ca=\/path\/to\/ca.crt/
        )
      })
    } finally {
      await secure.stop()
    }
  })

  it("ends with 3 where no Redis answers", async () => {
    const port = await RedisServer.freePort()
    expect(await arpeggio("doctor", "--redis", `redis://127.0.0.1:${port}`)).toMatchObject({
      code: 3,
      stdout: "",
      stderr: expect.stringContaining("No Redis listens on")
    })
  })

  it("names runs that are damaged, while a worker goes on beside them, and ends them with --repair", async () => {
    const here = ["--redis", server.url, "--namespace", "broken:"]
    for (const id of ["node", "state"])
      await arpeggio("submit", "flows.ts#hello", "--id", id, "-i", '{"name":"you"}', ...here)
    expect(markOf((await arpeggio("doctor", ...here)).stdout, "damaged")).toBe("✓")
    await server.command("HSET", "broken:{0}:r:node", "0", "zzz")
    await server.command("HSET", "broken:{0}:r:state", "m", "zzz")

    const worker = start("worker", "worker.ts", ...here)
    const end = finished(worker)
    await prints(worker, "What the store has of run state is damaged: its field m is unreadable.")
    expect(await arpeggio("run", "flows.ts#hello", "-i", '{"name":"me"}', "-q", ...here)).toMatchObject({
      code: 0,
      stdout: '"HELLO ME!"\n'
    })
    const sentence = "What the store has of run node is damaged: node 0 is unreadable."
    for (const command of ["result", "watch", "show", "cancel", "retry"])
      expect(await arpeggio(command, "node", ...here)).toMatchObject({
        code: 2,
        stdout: "",
        stderr: expect.stringContaining(sentence)
      })

    const found = await arpeggio("doctor", ...here)
    expect({ code: found.code, stderr: found.stderr }).toEqual({ code: 0, stderr: "" })
    expect(found.stdout).toMatch(
      /^! damaged +2 runs stand still because what the store has of them is damaged: (node \(node 0 is unreadable\)|state \(its field m is unreadable\)), .*\.\n.* arpeggio doctor --repair --redis redis:.* --namespace broken:$/m
    )
    const repaired = await arpeggio("doctor", "--repair", "--json", ...here)
    expect({ code: repaired.code, stderr: repaired.stderr }).toEqual({ code: 0, stderr: "" })
    const retry = `arpeggio retry node ${here.join(" ")}`
    const document = JSON.parse(repaired.stdout) as { readonly repaired: ReadonlyArray<{ readonly run: string }> }
    expect(document).toMatchObject({ damaged: [], errors: 0 })
    expect(document.repaired.toSorted((a, b) => (a.run < b.run ? -1 : 1))).toMatchObject([
      { run: "node", state: "failed", isReadable: true, issue: "node 0 is unreadable", next: retry },
      { run: "state", state: "failed", isReadable: false, issue: "its field m is unreadable" }
    ])
    expect(markOf((await arpeggio("doctor", "--repair", ...here)).stdout, "damaged")).toBe("✓")

    expect(await arpeggio("result", "node", ...here)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(
        /^Failed at shout, attempt 1: What the store had of the run was damaged: node 0 is unreadable\./
      )
    })
    expect(await arpeggio("result", "state", ...here)).toMatchObject({ code: 2 })
    expect(await arpeggio("retry", "node", ...here)).toMatchObject({ code: 0 })
    expect(await arpeggio("result", "node", ...here)).toMatchObject({ code: 0, stdout: '"HELLO YOU!"\n' })
    worker.kill("SIGTERM")
    expect((await end).code).toBe(0)
  })
})
