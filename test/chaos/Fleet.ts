/**
 * The processes of a campaign. Each place in the fleet is filled again when its process ends, whatever ended it, until the
 * fleet is dismissed.
 */
import { spawn, type ChildProcess } from "node:child_process"
import { fileURLToPath } from "node:url"
import { eventually } from "../../packages/broker-redis/test/eventually.ts"
import type { ProcessSettings } from "./Settings.ts"

export type Kind = "worker" | "orchestrator"

/** One process. */
export interface Member {
  readonly kind: Kind
  readonly name: string
  readonly child: ChildProcess
  readonly startedAt: number
  /** It has said that it is ready. */
  isReady: boolean
  isFrozen: boolean
  endedAt: number | undefined
  /** What this fleet did to it that makes it lose what it holds, and when. */
  readonly incidents: Array<{ readonly what: "killed" | "frozen" | "stopped"; readonly at: number }>
}

export class Fleet {
  /** All there have ever been. */
  readonly members: Array<Member> = []
  readonly #settings: (kind: Kind, name: string) => ProcessSettings
  #names = 0
  #places = 0
  #isDismissed = false
  /** The last lines that processes wrote to stderr. */
  readonly complaints: Array<string> = []

  constructor(settings: (kind: Kind, name: string) => ProcessSettings) {
    this.#settings = settings
  }

  /** Fills a place; resolves when its first process is ready. */
  add(kind: Kind): Promise<void> {
    this.#places++
    return new Promise((resolve) => this.#spawn(kind, resolve))
  }

  alive(kind: Kind): ReadonlyArray<Member> {
    return this.members.filter(
      (member) => member.kind === kind && member.endedAt === undefined && member.isReady && !member.isFrozen
    )
  }

  /** Resolves when every place is filled with a process that is ready. */
  async isWhole(): Promise<void> {
    const isFilled = () =>
      this.members.every((member) => member.endedAt !== undefined || (member.isReady && !member.isFrozen)) &&
      this.members.filter(({ endedAt }) => endedAt === undefined).length === this.#places
    await eventually("every place in the fleet is filled", async () => isFilled())
  }

  kill(member: Member): void {
    member.incidents.push({ what: "killed", at: Date.now() })
    member.child.kill("SIGKILL")
  }

  /** Asks it to stop; resolves when it has ended. */
  async stop(member: Member): Promise<void> {
    member.incidents.push({ what: "stopped", at: Date.now() })
    member.child.kill("SIGTERM")
    await ended(member.child)
  }

  /** Takes its time away, as a long pause of its machine would. */
  async freeze(member: Member, millis: number): Promise<void> {
    member.isFrozen = true
    member.incidents.push({ what: "frozen", at: Date.now() })
    member.child.kill("SIGSTOP")
    await new Promise((resolve) => setTimeout(resolve, millis))
    member.child.kill("SIGCONT")
    member.isFrozen = false
  }

  /** Ends every process and fills no place any more. */
  async dismiss(): Promise<void> {
    this.#isDismissed = true
    const left = this.members.filter((member) => member.endedAt === undefined)
    for (const { child } of left) {
      child.kill("SIGCONT")
      child.kill("SIGKILL")
    }
    await Promise.all(left.map(({ child }) => ended(child)))
  }

  #spawn(kind: Kind, onReady: () => void): void {
    const name = `${kind}${this.#names++}`
    const main = fileURLToPath(new URL(`./${kind}.ts`, import.meta.url))
    const child = spawn(process.execPath, [main, JSON.stringify(this.#settings(kind, name))], {
      stdio: ["pipe", "pipe", "pipe"]
    })
    const member: Member = {
      kind,
      name,
      child,
      startedAt: Date.now(),
      isReady: false,
      isFrozen: false,
      endedAt: undefined,
      incidents: []
    }
    this.members.push(member)
    child.stdout!.on("data", (chunk) => {
      if (!String(chunk).includes("ready")) return
      member.isReady = true
      onReady()
    })
    child.stderr!.on("data", (chunk) => {
      this.complaints.push(`${name}: ${String(chunk).trim()}`)
      if (this.complaints.length > 200) this.complaints.shift()
    })
    child.once("exit", () => {
      member.endedAt = Date.now()
      if (!this.#isDismissed) this.#spawn(kind, onReady)
    })
  }
}

const ended = (child: ChildProcess): Promise<void> =>
  child.exitCode !== null || child.signalCode !== null
    ? Promise.resolve()
    : new Promise((resolve) => child.once("exit", () => resolve()))
