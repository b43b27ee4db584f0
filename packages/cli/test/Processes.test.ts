import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { eventually } from "../../broker-redis/test/eventually.ts"
import * as RedisServer from "../../broker-redis/test/RedisServer.ts"
import { arpeggio, finished, prints, start, timeout } from "./Arpeggio.ts"

const scratch = mkdtempSync(path.join(tmpdir(), "arpeggio-cli-"))
let server: RedisServer.OwnServer
beforeAll(async () => {
  server = await RedisServer.startOwn("nothing")
})
afterAll(async () => {
  await server.stop()
  rmSync(scratch, { recursive: true })
})

const here = () => ["--redis", server.url]

/** A worker that has said that it is ready. */
const startWorker = async (...flags: ReadonlyArray<string>) => {
  const child = start("worker", "worker.ts", ...here(), ...flags)
  const end = finished(child)
  await prints(child, "Ready.")
  return { child, end }
}

/** Submits a run whose handlers hold until the file is there. */
const submitGated = (id: string, until: string) =>
  arpeggio("submit", "flows.ts#gated", "--id", id, "-i", JSON.stringify({ until, names: ["a", "b", "c"] }), ...here())

/** Asks again and again, as somebody who is in a hurry does: what comes at once counts as one. */
const insist = (child: ReturnType<typeof start>): (() => void) => {
  const timer = setInterval(() => child.kill("SIGTERM"), 50)
  return () => clearInterval(timer)
}

describe("arpeggio on a Redis", { timeout }, () => {
  it("says what nobody can run and what to start; Ctrl-C leaves the run, others run it, and watch has its value", async () => {
    const submitter = start("run", "flows.ts#hello", "-i", '{"name":"you"}', "--id", "alone", ...here())
    const left = finished(submitter)
    await prints(submitter, `Start one:  arpeggio worker flows.ts --redis ${server.url}\n`)
    submitter.kill("SIGINT")
    const { code, stdout, stderr } = await left
    expect({ code, stdout }).toEqual({ code: 130, stdout: "" })
    expect(stderr).toContain("No worker is known that can run greet, shout (queue default)")
    expect(stderr).toContain(`Watch it:   arpeggio watch alone --redis ${server.url}\n`)

    const orchestrator = start("orchestrator", ...here())
    const swept = finished(orchestrator)
    const [worker] = await Promise.all([startWorker("--no-sweep"), prints(orchestrator, "sweeps about every")])
    const watched = await arpeggio("watch", "alone", ...here())
    expect(watched).toMatchObject({ code: 0, stdout: '"HELLO YOU!"\n' })
    expect(watched.stderr).toMatch(/^Run alone of hello succeeded after/m)

    worker.child.kill("SIGTERM")
    orchestrator.kill("SIGTERM")
    expect((await worker.end).stderr).toMatch(/SIGTERM: nothing runs; it stops\.[^]*Stopped after .*: 2 claimed, 2 ok/)
    expect((await swept).stderr).toMatch(/SIGTERM: stopped after .*; \d+ sweeps?: 0 timers due/)
    expect([(await worker.end).code, (await swept).code]).toEqual([0, 0])
  })

  it("prints the id of what is submitted; result exits with 1 and says what it failed with, and retry runs it again", async () => {
    const worker = await startWorker()
    const submitted = await arpeggio("submit", "flows.ts#hello", "-i", '{"name":"nobody"}', ...here())
    const id = submitted.stdout.trim()
    expect(await arpeggio("result", id, ...here())).toEqual({
      code: 1,
      stdout: "",
      stderr: 'Failed at greet, attempt 1: Refused {"name":"nobody"}\n'
    })
    const again = await arpeggio("retry", id, "--json", ...here())
    expect(JSON.parse(again.stdout)).toEqual({ run: id, generation: 2 })
    const { code, stdout } = await arpeggio("result", id, "--json", ...here())
    expect({ code, document: JSON.parse(stdout) as unknown }).toMatchObject({
      code: 1,
      document: { run: id, state: "failed", error: { node: "greet", error: { _tag: "Refused" } } }
    })
    worker.child.kill("SIGTERM")
    expect((await worker.end).code).toBe(0)
  })

  it("a worker that is asked to stop waits for what runs, records it, claims nothing more and exits with 0", async () => {
    const until = path.join(scratch, "drain")
    const worker = await startWorker()
    const holding = prints(worker.child, "holding b")
    await submitGated("drain", until)
    await holding
    const waits = prints(worker.child, "claims nothing more and waits for each[0].holds of drain (")
    worker.child.kill("SIGTERM")
    await waits
    writeFileSync(until, "")
    const { code, stderr } = await worker.end
    expect({ code, handed: stderr.includes("holding c") }).toEqual({ code: 0, handed: false })
    const { stdout } = await arpeggio("show", "drain", "--instances", "--json", ...here())
    expect(states(stdout)).toEqual(["succeeded 0", "succeeded 0", "ready 0", "blocked 0"])
  })

  it("a second signal gives back at once: another worker has it without waiting for a lease", async () => {
    const until = path.join(scratch, "never")
    const first = await startWorker()
    const holding = prints(first.child, "holding b")
    await submitGated("given-back", until)
    await holding
    const stop = insist(first.child)
    const { code, stderr } = await first.end
    stop()
    expect(code).toBe(130)
    expect(stderr).toContain("SIGTERM once more: gave back 2 deliveries; ends at once.")

    const second = start("worker", "worker.ts", ...here())
    const end = finished(second)
    await Promise.all([prints(second, "holding a"), prints(second, "holding b")])
    const { stdout } = await arpeggio("show", "given-back", "--instances", "--json", ...here())
    // A lease that runs out would count a worker lost.
    expect(states(stdout)).toEqual(["running 0", "running 0", "blocked 0"])
    expect(existsSync(until)).toBe(false)
    const cancelled = await arpeggio("cancel", "given-back", ...here())
    expect(cancelled).toMatchObject({ code: 0, stderr: "" })
    second.kill("SIGTERM")
    expect((await end).code).toBe(0)
  })

  it("spreads runs over as many partitions as the first command says; who says nothing uses those, who says another number is refused", async () => {
    const spread = [...here(), "--namespace", "spread:"]
    const input = ["-i", '{"name":"you"}']
    const first = await arpeggio("submit", "flows.ts#hello", "--id", "spread", ...input, "--partitions", "3", ...spread)
    expect(first).toMatchObject({ code: 0, stdout: "spread\n" })
    expect(await server.command("GET", "spread:{0}:partitions")).toBe("3")
    const worker = await startWorker("--namespace", "spread:", "--stall-budget", "2m")
    expect(await arpeggio("result", "spread", ...spread)).toMatchObject({ code: 0, stdout: '"HELLO YOU!"\n' })
    worker.child.kill("SIGTERM")
    const refused = await arpeggio("orchestrator", "--partitions", "2", ...spread)
    expect(refused).toMatchObject({ code: 3, stderr: expect.stringContaining("has 3 partitions, and 2 are asked for") })
    expect((await worker.end).code).toBe(0)
  })

  it("gives what a dead worker held to another as soon as the lease is over that both were started with", async () => {
    const until = path.join(scratch, "leased")
    const leased = ["--namespace", "leased:"]
    const input = ["-i", JSON.stringify({ until, names: ["a"] })]
    await arpeggio("submit", "flows.ts#gated", "--id", "leased", ...input, ...here(), ...leased)
    const dying = await startWorker("--lease", "1s", ...leased)
    const known = async () =>
      JSON.parse((await arpeggio("workers", "--json", ...here(), ...leased)).stdout) as ReadonlyArray<{
        readonly running: number
        readonly leaseUntil: number
      }>
    await eventually("the worker holds the node", async () => (await known())[0]?.running === 1)
    const [worker] = await known()
    expect(worker!.leaseUntil).toBeLessThanOrEqual(Date.now() + 1_000)
    dying.child.kill("SIGKILL")
    const other = await startWorker("--lease", "1s", ...leased)
    writeFileSync(until, "")
    expect(await arpeggio("result", "leased", ...here(), ...leased)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('"Hello last"')
    })
    other.child.kill("SIGTERM")
    await Promise.all([dying.end, other.end])
  })

  it("says how a duration is written and how many partitions there can be", async () => {
    const [soon, short, none] = await Promise.all([
      arpeggio("worker", "worker.ts", "--stall-budget", "soon", ...here()),
      arpeggio("orchestrator", "--lease", "500ms", ...here()),
      arpeggio("orchestrator", "--partitions", "0", ...here())
    ])
    expect(soon).toMatchObject({ code: 2, stderr: expect.stringContaining("Expected: a duration like 90s, 5m or 1h") })
    expect(short).toMatchObject({ code: 2, stderr: expect.stringContaining("Expected: 1s or more") })
    expect(none).toMatchObject({ code: 2, stderr: expect.stringContaining("Expected: 1 to 1024, and it is 0") })
  })

  it("waits for a Redis that is away for longer than any call, says so, and has the result when it is back", async () => {
    const own = await RedisServer.startOwn("everything")
    const there = ["--redis", own.url]
    try {
      await arpeggio("submit", "flows.ts#hello", "--id", "kept", "-i", '{"name":"you"}', ...there)
      const looks = async () =>
        Number(/cmdstat_hget:calls=(\d+)/.exec(String(await own.command("INFO", "commandstats")))?.[1] ?? 0)
      const before = await looks()
      const waiting = start("result", "kept", ...there)
      const result = finished(waiting)
      // It asks for the run, for its end, and from then on every second.
      await eventually("it awaits the run", async () => (await looks()) >= before + 3)
      const watching = start("watch", "kept", ...there)
      const watched = finished(watching)
      await prints(watching, "0 of 2 steps done")
      await own.kill()
      const said = "Trying again; the run is kept there.\n"
      await Promise.all([prints(watching, said), prints(waiting, said)])
      await own.restart()
      const worker = start("worker", "worker.ts", ...there)
      expect(await watched).toMatchObject({ code: 0, stdout: '"HELLO YOU!"\n' })
      expect(await result).toEqual({
        code: 0,
        stdout: '"HELLO YOU!"\n',
        stderr: expect.stringMatching(/^arpeggio: The store .* Redis did not answer within 5000 ms.* kept there\.\n$/)
      })
      const stopped = finished(worker)
      worker.kill("SIGTERM")
      expect((await stopped).code).toBe(0)
    } finally {
      await own.stop()
    }
  })

  it("exits with 3 where there is no Redis, with 2 where none is named or the run is unknown", async () => {
    const port = await RedisServer.freePort()
    const [absent, unnamed, unknown] = await Promise.all([
      arpeggio("runs", "--redis", `redis://127.0.0.1:${port}`),
      arpeggio("runs", "--json"),
      arpeggio("watch", "nope", ...here())
    ])
    expect(absent).toMatchObject({
      code: 3,
      stderr:
        `arpeggio: The store redis://127.0.0.1:${port} can't be used: No Redis listens on 127.0.0.1:${port}. ` +
        "Start one there (redis-server), or correct the address.\n"
    })
    expect({ code: unnamed.code, error: JSON.parse(unnamed.stderr) as unknown }).toMatchObject({
      code: 2,
      error: { error: { reason: "NoStore" } }
    })
    expect(unknown.code).toBe(2)
    expect(unknown.stderr).toContain("There is no run nope.")
  })
})

/** Of each instance: its state, and how many workers were lost over it. */
const states = (stdout: string): ReadonlyArray<string> =>
  (JSON.parse(stdout) as ReadonlyArray<{ readonly state: string; readonly lost: number }>).map(
    ({ state, lost }) => `${state} ${lost}`
  )
