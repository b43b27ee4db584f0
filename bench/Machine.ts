/**
 * The machine, and how much of it was others'.
 */
import { readFileSync } from "node:fs"
import * as os from "node:os"

export interface Machine {
  readonly cpu: string
  readonly cores: number
  /** Bytes. */
  readonly memory: number
  readonly system: string
  readonly node: string
}

export const describe = (): Machine => ({
  cpu: os.cpus()[0]?.model.trim() ?? "unknown",
  cores: os.availableParallelism(),
  memory: os.totalmem(),
  system: `${os.type()} ${os.release()}, ${os.arch()}`,
  node: process.versions.node
})

/** Jiffies since the start of the machine: all of them, and those that the host gave to others. */
export interface Jiffies {
  readonly all: number
  readonly stolen: number
}

/** Only Linux tells. */
export const jiffies = (): Jiffies | undefined => {
  try {
    const [, ...times] = (/^cpu .*$/m.exec(readFileSync("/proc/stat", "utf8"))?.[0] ?? "").split(/\s+/)
    return { all: times.slice(0, 8).reduce((sum, time) => sum + Number(time), 0), stolen: Number(times[7]) }
  } catch {
    return undefined
  }
}

/** Processes that ran or wanted to, a minute's mean. */
export const load = (): number => os.loadavg()[0]!
