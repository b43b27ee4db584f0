/**
 * Who is measured: how its processes are started, what it can do, and how much of a workload it gets.
 */
import { execFile } from "node:child_process"
import { readFile } from "node:fs/promises"
import { createRequire } from "node:module"
import * as path from "node:path"
import { promisify } from "node:util"
import type { Graph } from "./Protocol.ts"

export type Name = "arpeggio" | "bullmq" | "celery"

export interface Peer {
  readonly name: Name
  readonly title: string
  readonly version: string
  /** The command of its processes, without role and URL. */
  readonly command: ReadonlyArray<string>
  /** The part of a count it gets. Costs per task do not depend on it, and a slow peer would take the evening. */
  readonly share: number
  /** How it can enqueue: so many calls at once, and in bulk. */
  readonly inFlight: ReadonlyArray<number | "bulk">
  /** The largest graph of a kind that it is given. */
  readonly largest: Readonly<Record<Graph, number>>
}

/** A peer that can't be measured here, and what to do about it. */
export interface Missing {
  readonly name: Name
  readonly title: string
  readonly missing: string
}

const file = (name: string): string => path.join(import.meta.dirname, "peers", name)

const inFlight = [1, 100, 1_000, "bulk"] as const

const versionIn = async (manifest: string): Promise<string> =>
  (JSON.parse(await readFile(manifest, "utf8")) as { readonly version: string }).version

/** As it is published, like the others: built, and not the sources, which Node would have to strip of their types first. */
const arpeggio = async (): Promise<Peer> => {
  const root = path.join(import.meta.dirname, "..")
  await promisify(execFile)(path.join(root, "node_modules", ".bin", "tsc"), ["-b", "tsconfig.build.json"], {
    cwd: root
  })
  return {
    name: "arpeggio",
    title: "Arpeggio",
    version: await versionIn(path.join(root, "packages", "core", "package.json")),
    command: [process.execPath, "--conditions=published", file("Arpeggio.ts")],
    share: 1,
    inFlight,
    largest: { chain: Infinity, chord: Infinity, forEach: Infinity, mesh: Infinity }
  }
}

const bullmq = async (): Promise<Peer> => {
  const main = createRequire(import.meta.url).resolve("bullmq")
  return {
    name: "bullmq",
    title: "BullMQ",
    version: await versionIn(path.join(main.slice(0, main.lastIndexOf("dist")), "package.json")),
    command: [process.execPath, file("BullMQ.ts")],
    share: 1,
    inFlight,
    // A flow is one transaction: no larger ones. It has neither a dynamic width nor a node with several children.
    largest: { chain: 1_000, chord: 10_000, forEach: 0, mesh: 0 }
  }
}

/** The first may be a Python of the user's own; Debian's has what apt-get installs. */
const pythons = ["python3", "/usr/bin/python3"]

const celery = async (): Promise<Peer | Missing> => {
  for (const python of pythons) {
    const print = "import celery, redis; print(celery.__version__)"
    const version = await promisify(execFile)(python, ["-c", print]).then(
      ({ stdout }) => stdout.trim(),
      () => undefined
    )
    if (version === undefined) continue
    return {
      name: "celery",
      title: "Celery",
      version,
      command: [python, file("Celery.py")],
      share: 0.1,
      inFlight: [1, "bulk"],
      largest: { chain: 200, chord: 1_000, forEach: 0, mesh: 0 }
    }
  }
  return { name: "celery", title: "Celery", missing: "not installed: apt-get install python3-celery python3-redis" }
}

const all: Readonly<Record<Name, () => Promise<Peer | Missing>>> = { arpeggio, bullmq, celery }

export const names = Object.keys(all) as ReadonlyArray<Name>

/** Those of the names, in the order of the table, as they are on this machine. */
export const find = (wanted: ReadonlyArray<Name>): Promise<ReadonlyArray<Peer | Missing>> =>
  Promise.all(names.filter((name) => wanted.includes(name)).map((name) => all[name]()))
