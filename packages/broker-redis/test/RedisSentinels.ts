/**
 * A primary, its replica and three Sentinels of the tests' own.
 */
import type { ChildProcess } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Authority } from "./Authority.ts"
import { eventually } from "./eventually.ts"
import * as RedisServer from "./RedisServer.ts"

export interface RedisSentinels {
  readonly primary: RedisServer.OwnServer
  readonly replica: RedisServer.OwnServer
  readonly addresses: ReadonlyArray<{ readonly host: string; readonly port: number }>
  readonly stop: () => Promise<void>
}

/** How they let others in, and each other. */
export interface Guard {
  readonly password: string
  readonly sentinelPassword: string
  /** All speak TLS, the servers besides the ports that tests use. */
  readonly authority: Authority
}

export const name = "arpeggio"

export const start = async (guard?: Guard): Promise<RedisSentinels> => {
  const server = async (primary?: number): Promise<readonly [RedisServer.OwnServer, number]> => {
    const tlsPort = await RedisServer.freePort()
    const options = [
      ...["--repl-diskless-sync-delay", "0"],
      ...(primary === undefined ? [] : ["--replicaof", "127.0.0.1", String(primary)]),
      ...(guard === undefined ? [] : ["--requirepass", guard.password, "--masterauth", guard.password]),
      ...(guard === undefined ? [] : [...guard.authority.options(tlsPort, "anybody"), "--tls-replication", "yes"])
    ]
    const started = await RedisServer.startOwn("nothing", options)
    return [started, guard === undefined ? started.port : tlsPort]
  }
  const [primary, port] = await server()
  const [replica] = await server(port)
  await RedisServer.followed(primary)
  const directory = mkdtempSync(join(tmpdir(), "arpeggio-sentinel-"))
  const addresses: Array<{ readonly host: string; readonly port: number }> = []
  const processes: Array<ChildProcess> = []
  const killAll = () => {
    for (const process of processes) process.kill("SIGKILL")
  }
  process.once("exit", killAll)
  for (let i = 0; i < 3; i++) {
    const own = await RedisServer.freePort()
    const file = join(directory, `${own}.conf`)
    writeFileSync(
      file,
      [
        ...(guard === undefined ? [`port ${own}`] : ["port 0", ...configured(guard, own)]),
        "bind 127.0.0.1",
        `dir ${directory}`,
        `sentinel monitor ${name} 127.0.0.1 ${port} 2`,
        ...(guard === undefined ? [] : [`sentinel auth-pass ${name} ${guard.password}`]),
        `sentinel down-after-milliseconds ${name} 700`,
        // An election without a winner is held again after twice this.
        `sentinel failover-timeout ${name} 2000`,
        ""
      ].join("\n")
    )
    processes.push(await RedisServer.launch([file, "--sentinel"], "+monitor"))
    addresses.push({ host: "127.0.0.1", port: own })
  }
  const access = guard === undefined ? {} : { password: guard.sentinelPassword, tls: { ca: guard.authority.pem } }
  await eventually("the Sentinels know each other and the replica", async () => {
    const said = await Promise.all(
      addresses.map(({ port }) => RedisServer.ask({ port, ...access }, "SENTINEL", "MASTER", name))
    )
    return said.every((reply) => {
      const fields = reply as ReadonlyArray<string>
      const field = (wanted: string) => fields[fields.indexOf(wanted) + 1]
      return field("num-slaves") === "1" && field("num-other-sentinels") === "2"
    })
  })
  return {
    primary,
    replica,
    addresses,
    stop: async () => {
      process.off("exit", killAll)
      killAll()
      await Promise.all([primary.stop(), replica.stop()])
      rmSync(directory, { recursive: true, force: true })
    }
  }
}

const configured = ({ authority, sentinelPassword }: Guard, port: number): ReadonlyArray<string> => [
  ...authority.settings(port, "anybody").map((setting) => setting.join(" ")),
  "tls-replication yes",
  `requirepass ${sentinelPassword}`,
  `sentinel sentinel-pass ${sentinelPassword}`
]
