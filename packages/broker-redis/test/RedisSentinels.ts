/**
 * A primary, its replica and three Sentinels of the tests' own.
 */
import type { ChildProcess } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { eventually } from "./eventually.ts"
import * as RedisServer from "./RedisServer.ts"

export interface RedisSentinels {
  readonly primary: RedisServer.OwnServer
  readonly replica: RedisServer.OwnServer
  readonly addresses: ReadonlyArray<{ readonly host: string; readonly port: number }>
  readonly stop: () => Promise<void>
}

export const name = "arpeggio"

export const start = async (): Promise<RedisSentinels> => {
  const options = ["--repl-diskless-sync-delay", "0"]
  const primary = await RedisServer.startOwn("nothing", options)
  const replica = await RedisServer.startOwn("nothing", [...options, "--replicaof", "127.0.0.1", String(primary.port)])
  await eventually("the replica follows", async () =>
    String(await primary.command("INFO", "replication")).includes("state=online")
  )
  const directory = mkdtempSync(join(tmpdir(), "arpeggio-sentinel-"))
  const addresses: Array<{ readonly host: string; readonly port: number }> = []
  const processes: Array<ChildProcess> = []
  const killAll = () => {
    for (const process of processes) process.kill("SIGKILL")
  }
  process.once("exit", killAll)
  for (let i = 0; i < 3; i++) {
    const port = await RedisServer.freePort()
    const file = join(directory, `${port}.conf`)
    writeFileSync(
      file,
      [
        `port ${port}`,
        "bind 127.0.0.1",
        `dir ${directory}`,
        `sentinel monitor ${name} 127.0.0.1 ${primary.port} 2`,
        `sentinel down-after-milliseconds ${name} 700`,
        // An election without a winner is held again after twice this.
        `sentinel failover-timeout ${name} 2000`,
        ""
      ].join("\n")
    )
    processes.push(await RedisServer.launch([file, "--sentinel"], "+monitor"))
    addresses.push({ host: "127.0.0.1", port })
  }
  const sentinels = { primary, replica, addresses }
  await eventually("the Sentinels know each other and the replica", async () => {
    const said = await Promise.all(addresses.map(({ port }) => RedisServer.ask(port, "SENTINEL", "MASTER", name)))
    return said.every((reply) => {
      const fields = reply as ReadonlyArray<string>
      const field = (wanted: string) => fields[fields.indexOf(wanted) + 1]
      return field("num-slaves") === "1" && field("num-other-sentinels") === "2"
    })
  })
  return {
    ...sentinels,
    stop: async () => {
      process.off("exit", killAll)
      killAll()
      await Promise.all([primary.stop(), replica.stop()])
      rmSync(directory, { recursive: true, force: true })
    }
  }
}
