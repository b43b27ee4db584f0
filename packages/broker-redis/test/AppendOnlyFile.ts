/**
 * The file that a redis-server appends what it does to. What the machine has not brought to its disk yet is the end of it, so
 * to cut that off is what a loss of power does; Redis passes over a transaction that is cut in two when it starts again.
 */
import { readFileSync, statSync, truncateSync } from "node:fs"
import { join } from "node:path"
import { eventually } from "./eventually.ts"
import type { OwnServer } from "./RedisServer.ts"

export interface AppendOnlyFile {
  /** Bytes. What a server with `appendfsync always` has confirmed is in them. */
  readonly size: () => number
  /** Leaves so many bytes. */
  readonly cut: (size: number) => void
}

/** The file as it is until the server starts again: it is not rewritten meanwhile. */
export const of = async (server: OwnServer): Promise<AppendOnlyFile> => {
  await server.command("CONFIG", "SET", "auto-aof-rewrite-percentage", 0)
  await isWritten(server)
  const directory = join(server.directory(), "appendonlydir")
  const manifest = readFileSync(join(directory, "appendonly.aof.manifest"), "utf8")
  // file appendonly.aof.3.incr.aof seq 3 type i
  const [, name] = /^file (\S+) seq \d+ type i\b/.exec(manifest.trim().split("\n").at(-1)!)!
  const file = join(directory, name!)
  return { size: () => statSync(file).size, cut: (size) => truncateSync(file, size) }
}

/**
 * Has the server write anew what it has. After its file was cut that is more than tidy: Redis takes the last transaction back
 * when it was cut in two, but its beginning stays in the file, and the next start carries it out.
 */
export const rewrite = async (server: OwnServer): Promise<void> => {
  await server.command("BGREWRITEAOF")
  await isWritten(server)
}

/** Resolves when the server keeps all it has, and rewrites nothing. */
export const isWritten = (server: OwnServer): Promise<void> =>
  eventually("the append-only file is complete", async () =>
    /aof_enabled:1\r\naof_rewrite_in_progress:0\r\naof_rewrite_scheduled:0/.test(
      String(await server.command("INFO", "persistence"))
    )
  )
