/**
 * Checks of the server: who it is, whether it takes writes, whether it is spoken to as what it is.
 */
import type { Check, Facts } from "./Check.ts"
import { error, note, ok, warning } from "./Check.ts"

export interface Server {
  readonly name: string
  /** `7.0.15` */
  readonly version: string
  /** Whether it is Redis or Valkey itself. */
  readonly known: boolean
}

/** Who answers. Compatible servers say which Redis they are compatible with, and their own version beside it. */
export const serverOf = (info: Facts["info"]): Server => {
  const valkey = info.get("valkey_version")
  if (valkey !== undefined) return { name: "Valkey", version: valkey, known: true }
  for (const name of ["dragonfly", "garnet", "kvrocks", "keydb"]) {
    const version = info.get(`${name}_version`)
    if (version !== undefined) return { name, version, known: false }
  }
  const named = info.get("server_name")
  const version = info.get("redis_version") ?? "of no version it tells"
  return named === undefined || named === "redis"
    ? { name: "Redis", version, known: true }
    : { name: named, version: info.get(`${named}_version`) ?? version, known: false }
}

/** The oldest versions with what the scripts need. */
const oldest: { readonly [name: string]: readonly [number, number] } = { Redis: [7, 0], Valkey: [7, 2] }

/** Whether the scripts of the broker can run there at all. */
export const isOldEnough = (info: Facts["info"]): boolean => {
  const { known, name, version } = serverOf(info)
  const [major, minor] = numbersOf(version)
  const [needed, neededMinor] = oldest[name] ?? [0, 0]
  return !known || major > needed || (major === needed && minor >= neededMinor)
}

const numbersOf = (version: string): readonly [number, number, number] => {
  const [major = 0, minor = 0, patch = 0] = version.split(".").map((part) => Number.parseInt(part, 10) || 0)
  return [major, minor, patch]
}

export const server = ({ info }: Facts): Check => {
  const { known, name, version } = serverOf(info)
  const says = `The server is ${name} ${version}.`
  if (!isOldEnough(info)) return error("server", says, "Use Redis 7.0 or later, or Valkey 7.2 or later.")
  if (!known) return warning("server", says, "Only Redis and Valkey are tested; use one of them where it matters.")
  return ok("server", says)
}

/** The first patch of each series in which scripts can't break out of their sandbox (CVE-2025-49844). */
const patched: { readonly [series: string]: number } = {
  "Redis 7.2": 11,
  "Redis 7.4": 6,
  "Redis 8.0": 4,
  "Redis 8.2": 2,
  "Valkey 7.2": 11,
  "Valkey 8.0": 6,
  "Valkey 8.1": 4
}

export const patches = ({ info }: Facts): ReadonlyArray<Check> => {
  const { name, version } = serverOf(info)
  const [major, minor, patch] = numbersOf(version)
  const series = `${name} ${major}.${minor}`
  const says = "Whoever may run scripts can take over a server without the fix of CVE-2025-49844."
  if (series === "Redis 7.0")
    return [note("server", says, "Redis 7.0 has it only where a distribution patched it: keep its package up to date.")]
  const first = patched[series]
  return first === undefined || patch >= first
    ? []
    : [note("server", says, `${series} has it from ${major}.${minor}.${first} on: update the server.`)]
}

export const role = ({ info }: Facts): Check => {
  const host = info.get("master_host")
  return info.get("role") === "slave"
    ? error(
        "role",
        "The server is a replica, and takes no writes.",
        `Connect to its primary${host === undefined ? "" : `, ${host}:${info.get("master_port")}`}; with fail-over, through Sentinel or a Cluster.`,
        true
      )
    : ok("role", "The server is a primary.")
}

export const topology = ({ cluster, info }: Facts): ReadonlyArray<Check> => {
  const isCluster = info.get("cluster_enabled") === "1"
  if (isCluster && !cluster)
    return [
      error(
        "cluster",
        "The server belongs to a Cluster, and the connection is one to a single server.",
        "Name its nodes as `cluster` in the options of the broker."
      )
    ]
  if (!isCluster && cluster)
    return [
      error(
        "cluster",
        "The connection is one to a Cluster, and the server belongs to none.",
        "Give the URL of the server in the options of the broker."
      )
    ]
  return isCluster ? [ok("cluster", "The server belongs to a Cluster, and is used as one.")] : []
}
