/**
 * Says now and then how far a campaign is, and how much it takes.
 */
import { statSync } from "node:fs"
import type { OwnServer } from "../../packages/broker-redis/test/RedisServer.ts"
import type { Fleet } from "./Fleet.ts"
import type { Users } from "./Load.ts"

/** Until what it returns is called. */
export const report = (options: {
  readonly users: Users
  readonly fleet: Fleet
  readonly servers: ReadonlyArray<OwnServer>
  readonly ledger: string
  readonly startedAt: number
  readonly window: number
  readonly progressEvery?: number | undefined
  readonly log: (line: string) => void
}): (() => void) => {
  const { fleet, ledger, log, progressEvery, servers, startedAt, users, window } = options
  if (progressEvery === undefined) return () => {}
  const say = async () => {
    const accepted = users.stories.filter((story) => story.answers.length > 0).length
    const ended = users.stories.filter(({ told }) => told !== undefined).length
    const memory = (await Promise.all(servers.map(usedMemory))).reduce((sum, bytes) => sum + bytes, 0)
    log(
      `-- ${clock(Date.now() - startedAt)} of ${clock(window)}: ${accepted} of ${users.stories.length} runs accepted, ` +
        `${ended} ended, ${accepted - ended} open; ${fleet.members.length} processes so far; ` +
        `MB: harness ${megabytes(process.memoryUsage.rss())}, store ${Number.isNaN(memory) ? "?" : megabytes(memory)}, ` +
        `ledger ${megabytes(statSync(ledger).size)}`
    )
  }
  const timer = setInterval(() => void say(), progressEvery)
  return () => clearInterval(timer)
}

/** In bytes; NaN of a server that does not answer. */
const usedMemory = async (server: OwnServer): Promise<number> =>
  Number(/used_memory:(\d+)/.exec(String(await server.command("INFO", "memory").catch(() => "")))?.[1])

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(0)

/** Minutes and seconds. */
export const clock = (millis: number): string => {
  const seconds = Math.floor(millis / 1_000)
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`
}
