import * as Client from "@arpeggio/core/Client"
import type { Broker } from "@arpeggio/core/Broker"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { spawn, type ChildProcess } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as pause } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import * as RedisBroker from "../src/RedisBroker.ts"
import { task, type Line, type Settings } from "./LeaseWorker.ts"
import * as RedisServer from "./RedisServer.ts"
import * as TcpProxy from "./TcpProxy.ts"

let server: RedisServer.OwnServer
beforeAll(async () => {
  server = await RedisServer.startOwn("nothing")
}, 120_000)
afterAll(() => server.stop())

const lease = 1_000

/** Asks again until it holds; the test's own time-out bounds it. */
const until = async (holds: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await holds())) await pause(20)
}

let stores = 0

/** A store and its workers, each a process; `first` is the only one at the start, so it gets the work. */
class Scene {
  readonly namespace = `lease-${stores++}:`
  readonly #directory = mkdtempSync(join(tmpdir(), "arpeggio-lease-"))
  readonly #log = join(this.#directory, "log")
  readonly #children = new Map<string, ChildProcess>()
  readonly #stallBudget: number

  constructor(stallBudget: number) {
    this.#stallBudget = stallBudget
  }

  async start(worker: string, url = server.url): Promise<void> {
    const main = fileURLToPath(new URL("./LeaseWorker.ts", import.meta.url))
    const settings: Settings = {
      name: worker,
      url,
      namespace: this.namespace,
      lease,
      stallBudget: this.#stallBudget,
      gate: this.#gate(worker),
      log: this.#log
    }
    this.#children.set(
      worker,
      spawn(process.execPath, [main, JSON.stringify(settings)], { stdio: ["pipe", "ignore", "ignore"] })
    )
    await this.has({ worker, what: "ready" })
  }

  signal(worker: string, signal: "SIGSTOP" | "SIGCONT"): void {
    this.#children.get(worker)!.kill(signal)
  }

  open(worker: string): void {
    writeFileSync(this.#gate(worker), "")
  }

  /** What happened so far, in order; without the figures. */
  lines(): ReadonlyArray<Exclude<Line, { readonly what: "stats" }>> {
    return this.#read().filter((line) => line.what !== "stats")
  }

  has(line: Line): Promise<void> {
    const text = JSON.stringify(line)
    return until(() => this.lines().some((other) => JSON.stringify(other) === text))
  }

  /** Waits until the worker says so of itself. */
  counts(worker: string, wanted: Readonly<Record<string, number>>): Promise<void> {
    return until(() => {
      const last = this.#read().findLast((line) => line.what === "stats" && line.worker === worker)
      const stats = last?.what === "stats" ? (last.stats as unknown as Readonly<Record<string, number>>) : {}
      return Object.entries(wanted).every(([name, value]) => stats[name] === value)
    })
  }

  ask<A, E>(effect: Effect.Effect<A, E, Broker>): Promise<A> {
    return Effect.runPromise(
      effect.pipe(Effect.provide(Layer.orDie(RedisBroker.layer({ url: server.url, namespace: this.namespace, lease }))))
    )
  }

  async submit(how: "wait" | "block"): Promise<void> {
    await this.ask(Client.submit(task, how, { id: "run" }))
  }

  /** Who has recorded the outcome. */
  result(): Promise<string> {
    return this.ask(Effect.flatMap(Client.attach(task, "run"), (run) => run.await))
  }

  async end(): Promise<void> {
    await Promise.all(
      Array.from(this.#children.values(), async (child) => {
        const exited = new Promise((resolve) => child.once("exit", resolve))
        child.kill("SIGKILL")
        if (child.exitCode === null && child.signalCode === null) await exited
      })
    )
    rmSync(this.#directory, { recursive: true })
  }

  #gate(worker: string): string {
    return join(this.#directory, `${worker}.gate`)
  }

  #read(): ReadonlyArray<Line> {
    if (!existsSync(this.#log)) return []
    // A line that is being written has no end yet.
    const text = readFileSync(this.#log, "utf8")
    return text
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Line)
  }
}

const play = (stallBudget: number, test: (scene: Scene) => Promise<void>) => async () => {
  const scene = new Scene(stallBudget)
  try {
    await test(scene)
  } finally {
    await scene.end()
  }
}

/** When the lease of this worker runs out, in the clock of the store; nothing when the store does not know it. */
const leaseOf = async (scene: Scene, worker: string): Promise<number | undefined> =>
  (await scene.ask(Client.workers)).find(({ host }) => host === worker)?.leaseUntil

describe("the lease of a worker", { timeout: 120_000 }, () => {
  it(
    "is kept while a handler blocks the event loop for longer than the lease, and nobody else gets its work",
    play(100 * lease, async (scene) => {
      await scene.start("first")
      await scene.submit("block")
      await scene.has({ worker: "first", what: "started" })
      scene.open("second")
      await scene.start("second")
      const since = (await leaseOf(scene, "first"))!
      // From here on only the thread can have renewed it.
      await until(async () => (await leaseOf(scene, "first"))! > since + 3 * lease)
      scene.open("first")
      expect(await scene.result()).toBe("first")
      await scene.counts("first", { claimed: 1, succeeded: 1, lost: 0, stale: 0 })
      expect(scene.lines().filter(({ what }) => what === "started")).toEqual([{ worker: "first", what: "started" }])
    })
  )

  it(
    "is given up when the loop stands still for longer than the stall budget: others get the work, and the outcome is stale",
    play(lease / 4, async (scene) => {
      await scene.start("first")
      await scene.submit("block")
      await scene.has({ worker: "first", what: "started" })
      scene.open("second")
      await scene.start("second")
      expect(await scene.result()).toBe("second")
      expect(scene.lines()).not.toContainEqual({ worker: "first", what: "ended" })
      scene.open("first")
      await scene.counts("first", { claimed: 1, stale: 1 })
      expect(await scene.result()).toBe("second")
      await until(async () => (await leaseOf(scene, "first")) !== undefined)
    })
  )

  for (const trouble of ["refuse", "blackHole"] as const) {
    it(
      `ends for the worker itself before others get its work, when it can't reach the store (${trouble})`,
      play(lease, async (scene) => {
        const proxy = await TcpProxy.start(server.port)
        try {
          await scene.start("first", proxy.url)
          await scene.submit("wait")
          await scene.has({ worker: "first", what: "started" })
          scene.open("second")
          await scene.start("second")
          proxy[trouble]()
          expect(await scene.result()).toBe("second")
          const lines = scene.lines().filter(({ what }) => what !== "ready")
          expect(lines.slice(0, 3)).toEqual([
            { worker: "first", what: "started" },
            { worker: "first", what: "interrupted", reason: "LeaseLost" },
            { worker: "second", what: "started" }
          ])
          proxy.heal()
          await until(async () => (await leaseOf(scene, "first")) !== undefined)
          await scene.counts("first", { claimed: 1, lost: 1, failed: 0, stale: 0 })
        } finally {
          await proxy.stop()
        }
      })
    )
  }

  it(
    "is over for a process that was stopped: when it goes on, its handler is interrupted and nothing of it is reported",
    play(lease, async (scene) => {
      await scene.start("first")
      await scene.submit("wait")
      await scene.has({ worker: "first", what: "started" })
      scene.open("second")
      await scene.start("second")
      scene.signal("first", "SIGSTOP")
      expect(await scene.result()).toBe("second")
      scene.signal("first", "SIGCONT")
      await scene.has({ worker: "first", what: "interrupted", reason: "LeaseLost" })
      await scene.counts("first", { claimed: 1, lost: 1, failed: 0, stale: 0, running: 0 })
      await until(async () => (await leaseOf(scene, "first")) !== undefined)
      expect(await scene.result()).toBe("second")
    })
  )

  it(
    "is over for a process that was stopped: what its handler ends with before it notices is refused",
    play(lease, async (scene) => {
      await scene.start("first")
      await scene.submit("block")
      await scene.has({ worker: "first", what: "started" })
      scene.open("second")
      await scene.start("second")
      scene.signal("first", "SIGSTOP")
      expect(await scene.result()).toBe("second")
      scene.open("first")
      scene.signal("first", "SIGCONT")
      await scene.has({ worker: "first", what: "ended" })
      await scene.counts("first", { claimed: 1, stale: 1 })
      expect(await scene.result()).toBe("second")
    })
  )
})
