/**
 * Checks of what the server keeps: in its memory, on its disk, on its replicas.
 */
import type { Check, Facts } from "./Check.ts"
import { error, note, ok, warning } from "./Check.ts"

/** A store that is fuller will soon refuse runs. */
const memoryTolerance = 0.85

export const eviction = ({ info, settings }: Facts): Check => {
  const policy = info.get("maxmemory_policy") ?? settings.get("maxmemory-policy")
  const limit = info.get("maxmemory") ?? settings.get("maxmemory")
  if (policy === undefined)
    return warning(
      "eviction",
      "The server does not say whether it evicts keys when its memory is full.",
      "See to it that its maxmemory-policy is noeviction."
    )
  if (policy === "noeviction") return ok("eviction", "The server evicts nothing.")
  if (limit === "0")
    return note(
      "eviction",
      `The server has no limit of memory, so it evicts nothing; with one it would, by ${policy}.`,
      "Set maxmemory-policy to noeviction before somebody sets maxmemory."
    )
  return error(
    "eviction",
    `When its memory is full the server evicts keys (${policy}), and runs would be lost without a word.`,
    "Set maxmemory-policy to noeviction, or use a server of its own for Arpeggio."
  )
}

export const memory = ({ info, settings }: Facts): ReadonlyArray<Check> => {
  const used = Number(info.get("used_memory"))
  const limit = Number(info.get("maxmemory") ?? settings.get("maxmemory"))
  if (!Number.isFinite(used) || !Number.isFinite(limit)) return []
  if (limit === 0)
    return [
      note(
        "memory",
        `The server uses ${bytes(used)} and has no limit of its own: the system may kill it when the machine's memory is full.`,
        "Set maxmemory; when it is reached new runs are refused and accepted ones still end."
      )
    ]
  const says = `The server uses ${bytes(used)} of ${bytes(limit)}.`
  return used / limit < memoryTolerance
    ? [ok("memory", says)]
    : [
        warning(
          "memory",
          says,
          "When it is full new runs are refused. Raise maxmemory, or keep ended runs for less long (`retention`)."
        )
      ]
}

/** Bytes as people read them: `1.2 GiB`. */
export const bytes = (n: number): string => {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"]
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, n)) / 10))
  return `${power === 0 ? n : (n / 2 ** (10 * power)).toFixed(1)} ${units[power]}`
}

export const persistence = ({ info, settings }: Facts): ReadonlyArray<Check> => {
  const checks: Array<Check> = []
  if (info.get("aof_last_write_status") === "err")
    checks.push(warning("persistence", "The last write to the append-only file failed.", "Look at the server's disk."))
  if (info.get("rdb_last_bgsave_status") === "err")
    checks.push(
      warning(
        "persistence",
        "The last snapshot failed; by default the server then refuses every write.",
        'Look at the server\'s disk and its memory, or turn snapshots off (save "").'
      )
    )
  const aof = info.get("aof_enabled")
  if (aof === undefined) return checks
  if (aof === "1") return [...checks, appending(settings.get("appendfsync"))]
  const snapshots = settings.get("save")
  const kept = snapshots === "" ? "no snapshots either: a restart loses every run" : "at most the last snapshot"
  return [
    ...checks,
    warning(
      "persistence",
      snapshots === undefined
        ? "The server has no append-only file: a restart loses what came after the last snapshot, accepted runs among it."
        : `The server has no append-only file, and ${kept}${snapshots === "" ? "." : " survives a restart, so accepted runs may be lost."}`,
      "Set appendonly to yes; appendfsync everysec loses a second at most when the machine crashes."
    )
  ]
}

const appending = (fsync: string | undefined): Check => {
  switch (fsync) {
    case "always":
      return ok(
        "persistence",
        "Every write is on disk before it is confirmed: an accepted run survives a power failure."
      )
    case "no":
      return note(
        "persistence",
        "Writes reach the disk when the system likes: a power failure may lose half a minute of accepted runs.",
        "Set appendfsync to everysec, or to always."
      )
    case "everysec":
      return ok(
        "persistence",
        "Writes reach the disk every second: a crash of Redis loses nothing, a power failure a second or two of accepted runs."
      )
  }
  return ok("persistence", "The server keeps an append-only file.")
}

export const replicas = ({ info, settings }: Facts): ReadonlyArray<Check> => {
  const connected = Number(info.get("connected_slaves") ?? 0)
  if (connected === 0) return []
  const guarded = info.has("min_slaves_good_slaves") || Number(settings.get("min-replicas-to-write") ?? 0) > 0
  const says = `${connected === 1 ? "One replica follows" : `${connected} replicas follow`} the server`
  return [
    guarded
      ? ok("replicas", `${says}, and it takes writes only while enough of them do.`)
      : note(
          "replicas",
          `${says}; a primary that is cut off goes on confirming what a fail-over then loses.`,
          "Set min-replicas-to-write to 1 and min-replicas-max-lag to 2: that bounds the loss."
        )
  ]
}
