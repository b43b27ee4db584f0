/**
 * A redis-server of the tests' own, on a free port of this machine. Found on PATH or at ARPEGGIO_TEST_REDIS_SERVER, else
 * installed by apt where that is possible. Where any empty Redis will do, ARPEGGIO_TEST_REDIS_URL names a running one to
 * use instead.
 */
import { Redis, type RedisOptions } from "ioredis"
import { execFileSync, spawn, type ChildProcess } from "node:child_process"
import { existsSync, mkdtempSync, rmSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { eventually } from "./eventually.ts"

export interface RedisServer {
  readonly url: string
  readonly stop: () => Promise<void>
}

/** How a server of this machine is spoken to. */
export type Access = Pick<RedisOptions, "port" | "password" | "tls">

/** A server that tests may do anything to. */
export interface OwnServer extends RedisServer {
  readonly port: number
  readonly access: Access
  /** One command over a connection of its own. */
  readonly command: (name: string, ...args: ReadonlyArray<string | number>) => Promise<unknown>
  /** Ends it as a crash would. */
  readonly kill: () => Promise<void>
  /** Starts it again after `kill`: same port, same data. */
  readonly restart: () => Promise<void>
  /** Stops it as a debugger would: connections stay, nothing answers. */
  readonly freeze: () => void
  readonly thaw: () => void
  /** Where its data are. */
  readonly directory: () => string
  /** Ends it as a crash would, and puts another in its place: on this port, with what that one has. */
  readonly giveWayTo: (other: OwnServer) => Promise<void>
  /** Leaves its process to the caller, who answers for it from now on. */
  readonly surrender: () => Body
}

/** A process of redis-server, and where its data are. */
export interface Body {
  readonly process: ChildProcess
  readonly directory: string
}

/** What a server keeps over a crash. */
export type Durability = "nothing" | "everything"

const has = (command: string): boolean => {
  try {
    execFileSync(command, ["--version"], { stdio: "ignore" })
    return true
  } catch {
    return false
  }
}

const executable = (): string => {
  const named = process.env["ARPEGGIO_TEST_REDIS_SERVER"] ?? "redis-server"
  if (has(named)) return named
  if (process.getuid?.() === 0 && existsSync("/usr/bin/apt-get")) {
    console.error("Installing redis-server for the tests …")
    execFileSync("apt-get", ["update", "-qq"], { stdio: "inherit" })
    execFileSync("apt-get", ["install", "-y", "-qq", "redis-server"], {
      stdio: "inherit",
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" }
    })
    return "redis-server"
  }
  throw new Error(
    "The tests of @arpeggio/broker-redis need Redis 7 or later. Install redis-server (or valkey-server and set " +
      "ARPEGGIO_TEST_REDIS_SERVER to its name), or set ARPEGGIO_TEST_REDIS_URL to a Redis that may be filled with test data."
  )
}

/** A port that nobody listens on now. */
export const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once("error", reject)
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address()
      probe.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0))
    })
  })

/** A Redis to fill: a server of its own, or the one that is named. */
export const start = async (): Promise<RedisServer> => {
  const url = process.env["ARPEGGIO_TEST_REDIS_URL"]
  return url === undefined ? startOwn("nothing") : { url, stop: async () => {} }
}

/** With `everysec` a busy disk makes Redis answer before it writes, and a crash then takes what it has confirmed. */
const keeps = {
  nothing: ["--appendonly", "no"],
  everything: ["--appendonly", "yes", "--appendfsync", "always"]
} as const

/** Starts a server and waits until it answers; `args` are further options of redis-server. */
export const startOwn = async (durability: Durability, args: ReadonlyArray<string> = []): Promise<OwnServer> => {
  const port = await freePort()
  const url = `redis://127.0.0.1:${port}`
  const launchIn = async (directory: string): Promise<Body> => {
    const place = ["--port", String(port), "--bind", "127.0.0.1", "--dir", directory]
    return { process: await launch([...place, "--save", "", ...keeps[durability], ...args]), directory }
  }
  let body: Body | undefined = await launchIn(mkdtempSync(join(tmpdir(), "arpeggio-redis-")))
  const own = (): Body => {
    if (body === undefined) throw new Error("this server has been surrendered")
    return body
  }
  const kill = async () => {
    const server = own().process
    if (server.exitCode !== null || server.signalCode !== null) return
    const exited = new Promise((resolve) => server.once("exit", resolve))
    server.kill("SIGKILL")
    await exited
  }
  const remove = () => rmSync(own().directory, { recursive: true, force: true, maxRetries: 5 })
  // Whatever becomes of the tests, no server is left behind.
  const onExit = () => {
    own().process.kill("SIGKILL")
    remove()
  }
  process.once("exit", onExit)
  const [, password] = args.slice(args.indexOf("--requirepass"))
  const access: Access = { port, ...(args.includes("--requirepass") ? { password: password! } : {}) }
  return {
    url,
    port,
    access,
    command: (name, ...command) => ask(access, name, ...command),
    kill,
    restart: async () => {
      body = await launchIn(own().directory)
    },
    freeze: () => void own().process.kill("SIGSTOP"),
    thaw: () => void own().process.kill("SIGCONT"),
    directory: () => own().directory,
    giveWayTo: async (other) => {
      await kill()
      remove()
      body = other.surrender()
      await ask({ port: other.port }, "CONFIG", "SET", "port", port)
    },
    surrender: () => {
      process.off("exit", onExit)
      const surrendered = own()
      body = undefined
      return surrendered
    },
    stop: async () => {
      if (body === undefined) return
      process.off("exit", onExit)
      await kill()
      remove()
    }
  }
}

/** One command to a server of this machine, over a connection of its own. */
export const ask = async (
  access: Access,
  name: string,
  ...command: ReadonlyArray<string | number>
): Promise<unknown> => {
  const client = new Redis({ ...access, lazyConnect: true, retryStrategy: () => null, maxRetriesPerRequest: 0 })
  client.on("error", () => {})
  try {
    await client.connect()
    return await client.call(name, ...command)
  } finally {
    client.disconnect()
  }
}

/** Completes when a server has a replica that follows it. */
export const followed = (primary: OwnServer): Promise<void> =>
  eventually("the replica follows", async () =>
    String(await primary.command("INFO", "replication")).includes("state=online")
  )

/** Starts a process of redis-server, and waits until it says that it is ready. */
export const launch = (
  options: ReadonlyArray<string>,
  isReady = "Ready to accept connections"
): Promise<ChildProcess> =>
  new Promise((resolve, reject) => {
    const server = spawn(executable(), options, { stdio: ["ignore", "pipe", "inherit"] })
    let log = ""
    server.stdout!.on("data", (chunk) => {
      log = (log + String(chunk)).slice(-4_096)
      if (log.includes(isReady)) resolve(server)
    })
    server.once("exit", (code) => reject(new Error(`redis-server ended with ${code}:\n${log}`)))
  })
