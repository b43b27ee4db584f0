/**
 * The Redis that all peers are measured on, and what it says of its own costs.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { Redis as Client } from "ioredis"
import { spawn, type ChildProcess } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { because, BenchFailure } from "./Failure.ts"

/** What it has done since it started, or was emptied. */
export interface Costs {
  /** CPU time, user and system, in microseconds. */
  readonly cpu: number
  /** Commands, those that scripts call included. */
  readonly commands: number
  /** When it was asked, in milliseconds. */
  readonly at: number
}

export interface Redis {
  readonly url: string
  readonly version: string
  /** CPU time that it takes when nobody asks anything of it: microseconds per millisecond. */
  readonly idle: number
  /** Removes everything, its scripts and its statistics as well. */
  readonly empty: Effect.Effect<void, BenchFailure>
  readonly costs: Effect.Effect<Costs, BenchFailure>
  /** Bytes in use. */
  readonly memory: Effect.Effect<number, BenchFailure>
  /** Empties its slow log. */
  readonly forget: Effect.Effect<void, BenchFailure>
  /** The longest command in its slow log, in milliseconds; nothing when none was slow enough for it. */
  readonly slowest: Effect.Effect<number | undefined, BenchFailure>
}

/** A server of the benchmark's own, without persistence, on a free port; it ends with the scope. */
export const own: Effect.Effect<Redis, BenchFailure, Scope.Scope> = Effect.gen(function* () {
  const { url } = yield* Effect.acquireRelease(
    Effect.tryPromise({ try: launch, catch: because("redis-server could not be started") }),
    ({ stop }) => Effect.promise(stop)
  )
  return yield* connect(url)
})

/** A Redis that runs already. It must be empty, because it is emptied between measurements. */
export const connect = (url: string): Effect.Effect<Redis, BenchFailure, Scope.Scope> =>
  Effect.gen(function* () {
    const client = yield* Effect.acquireRelease(
      Effect.tryPromise({
        try: async () => {
          const client = new Client(url, { lazyConnect: true, retryStrategy: () => null, maxRetriesPerRequest: 0 })
          // The promise of `connect` says only that there is no connection.
          let trouble: Error | undefined
          client.on("error", (error: Error) => {
            trouble = error
          })
          await client.connect().catch((error: unknown) => Promise.reject(trouble ?? error))
          return client
        },
        catch: because(`Redis at ${new URL(url).host} can't be used`)
      }),
      (client) => Effect.sync(() => client.disconnect())
    )
    const ask = (name: string, ...args: ReadonlyArray<string>) =>
      Effect.tryPromise({ try: () => client.call(name, ...args), catch: because(`Redis refused ${name}`) })
    const info = (section: string) => Effect.map(ask("INFO", section), (text) => fields(String(text)))

    if (Number(yield* ask("DBSIZE")) > 0) {
      const message = `Redis at ${new URL(url).host} has keys in it, and bench would remove them. Name an empty one, or leave --redis out.`
      return yield* new BenchFailure({ message })
    }

    const costs = Effect.gen(function* () {
      const calls = yield* info("commandstats")
      const cpu = yield* info("cpu")
      let commands = 0
      for (const [name, value] of calls) {
        if (!name.startsWith("cmdstat_info")) commands += Number(/calls=(\d+)/.exec(value)?.[1])
      }
      const seconds = Number(cpu.get("used_cpu_user")) + Number(cpu.get("used_cpu_sys"))
      return { cpu: seconds * 1e6, commands, at: performance.now() }
    })

    const before = yield* costs
    yield* Effect.sleep("1 second")
    const after = yield* costs
    return {
      url,
      version: (yield* info("server")).get("redis_version") ?? "?",
      idle: (after.cpu - before.cpu) / (after.at - before.at),
      empty: Effect.gen(function* () {
        yield* ask("FLUSHALL", "SYNC")
        yield* ask("SCRIPT", "FLUSH", "SYNC")
        yield* ask("SLOWLOG", "RESET")
        yield* ask("CONFIG", "RESETSTAT")
      }),
      costs,
      forget: Effect.asVoid(ask("SLOWLOG", "RESET")),
      memory: Effect.map(info("memory"), (memory) => Number(memory.get("used_memory"))),
      slowest: Effect.map(ask("SLOWLOG", "GET", "1000"), (entries) => {
        const micros = (entries as ReadonlyArray<readonly [id: number, at: number, micros: number]>).map(([, , m]) => m)
        return micros.length === 0 ? undefined : Math.max(...micros) / 1_000
      })
    }
  })

const fields = (info: string): ReadonlyMap<string, string> =>
  new Map(
    info.split("\r\n").flatMap((line) => {
      const colon = line.indexOf(":")
      return colon < 0 ? [] : [[line.slice(0, colon), line.slice(colon + 1)] as const]
    })
  )

// ---- server ---------------------------------------------------------------------------------------------------------

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once("error", reject)
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address()
      probe.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0))
    })
  })

const launch = async (): Promise<{ readonly url: string; readonly stop: () => Promise<void> }> => {
  const port = await freePort()
  const directory = mkdtempSync(path.join(tmpdir(), "arpeggio-bench-"))
  const args = `--port ${port} --bind 127.0.0.1 --appendonly no --slowlog-log-slower-than 200 --slowlog-max-len 1000`
  // In a process group of its own: Ctrl-C in a terminal ends it after those who use it, not before.
  const server = spawn("redis-server", [...args.split(" "), "--save", "", "--dir", directory], {
    stdio: ["ignore", "pipe", "inherit"],
    detached: true
  })
  const onExit = (): void => void server.kill("SIGKILL")
  process.once("exit", onExit)
  await ready(server)
  const stop = async () => {
    process.off("exit", onExit)
    if (server.exitCode === null && server.signalCode === null) {
      const exited = new Promise((resolve) => server.once("exit", resolve))
      server.kill("SIGKILL")
      await exited
    }
    rmSync(directory, { recursive: true, force: true })
  }
  return { url: `redis://127.0.0.1:${port}`, stop }
}

const ready = (server: ChildProcess): Promise<void> =>
  new Promise((resolve, reject) => {
    let log = ""
    server.stdout!.on("data", (chunk) => {
      log = (log + String(chunk)).slice(-4_096)
      if (log.includes("Ready to accept connections")) resolve()
    })
    server.once("error", () =>
      reject(
        new Error("it is not on PATH. Install it (Debian: apt-get install redis-server), or name a Redis: --redis")
      )
    )
    server.once("exit", (code) => reject(new Error(`it ended with ${code}:\n${log}`)))
  })
