/**
 * Where the store is: one server, a primary that Sentinels watch over, or a cluster. Secrets are redacted.
 *
 * Each has a URL, so that one setting can name any of them:
 *
 * | URL | what it names |
 * | --- | --- |
 * | `redis://user:password@host:6379/0`, `rediss://…` for TLS | one server |
 * | `redis+socket://user:password@/run/redis/redis.sock?db=0` | one on this machine, over its socket |
 * | `redis+sentinel://user:password@host:26379,host:26379/name/0`, `rediss+sentinel://…` | the primary called `name` |
 * | `redis+cluster://user:password@host:6379,host:6379`, `rediss+cluster://…` | a cluster, found over any of its nodes |
 *
 * With TLS, `?ca=…&cert=…&key=…` are files with the certificate of the authority that the server's is from, and a
 * certificate of one's own with its key; with Sentinels, `?sentinelUsername=…&sentinelPassword=…` are for them.
 */
import { IncompatibleStore } from "@arpeggio/core/Failure"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type { ConnectionOptions as Tls } from "node:tls"
import type { Files } from "./Certificates.ts"

export type { Files } from "./Certificates.ts"

export interface Address {
  readonly host: string
  readonly port: number
}

/** The socket of a server on this machine: what it calls `unixsocket`. */
export interface SocketFile {
  readonly path: string
}

/** How what is said is kept from others. */
export interface Secrecy {
  /** `true`, or what Node's TLS should know: a certificate authority, a client certificate. Default: what the URL says, or none. */
  readonly tls?: boolean | Tls | undefined
  /** Files for TLS, read when the layer is built. */
  readonly certificates?: Files | undefined
}

/** How to be let in. */
export interface Credentials extends Secrecy {
  readonly username?: string | undefined
  readonly password?: string | Redacted.Redacted<string> | undefined
}

export interface Standalone extends Credentials {
  readonly _tag: "Standalone"
  readonly address: Address | SocketFile
  /** The database's number. */
  readonly db: number
}

export interface Sentinel extends Credentials {
  readonly _tag: "Sentinel"
  readonly sentinels: ReadonlyArray<Address>
  /** What the Sentinels call the primary. */
  readonly name: string
  /** The database's number. */
  readonly db: number
  readonly sentinelUsername?: string | undefined
  readonly sentinelPassword?: string | Redacted.Redacted<string> | undefined
}

export interface Cluster extends Credentials {
  readonly _tag: "Cluster"
  /** Some of its nodes; the others are found over them. */
  readonly nodes: ReadonlyArray<Address>
}

export type Server = Standalone | Sentinel | Cluster

const form =
  /^redis(?<secure>s?)(?:\+(?<kind>sentinel|cluster))?:\/\/(?:(?<user>[^@/?]*)@)?(?<hosts>[^@/?]+)(?<path>(?:\/[^@/?]*)*)(?:\?(?<query>.*))?$/

const socketForm = /^redis\+socket:\/\/(?:(?<user>[^@/?]*)@)?(?<path>\/[^?]+)(?:\?db=(?<db>\d+))?$/

/** What a URL names, or what is wrong with it, without its secrets. */
export const fromUrl = (url: string | Redacted.Redacted<string>): Result.Result<Server, IncompatibleStore> => {
  const text = reveal(url)
  if (text.includes("+socket:")) return fromSocketUrl(text)
  const groups = form.exec(text)?.groups
  if (groups === undefined) return wrong(notUrl)
  const { hosts = "", kind = "standalone", path = "", query, secure, user } = groups
  const { ca, cert, key, sentinelPassword, sentinelUsername, ...unknown } = Object.fromEntries(
    new URLSearchParams(query)
  )
  const isNamed = ca !== undefined || cert !== undefined || key !== undefined
  const steps = path.split("/").filter((step) => step !== "")
  const name = kind === "sentinel" ? decoded(steps.shift() ?? "mymaster") : ""
  const db = Number((kind === "cluster" ? undefined : steps.shift()) ?? 0)
  const addresses = hosts.split(",").map((text) => addressOf(text, kind === "sentinel" ? 26_379 : 6_379))

  if (kind === "standalone" && addresses.length > 1) return wrong(oneHost)
  if (steps.length > 0 || !Number.isInteger(db)) return wrong(notPath)
  if (isNamed && secure === "") return wrong("Its URL names certificates, and no TLS. Write rediss for redis.")
  const forGuard = kind === "sentinel" ? {} : { sentinelUsername, sentinelPassword }
  const stray = Object.entries({ ...unknown, ...forGuard }).find(([, value]) => value !== undefined)
  if (stray !== undefined) return wrong(`Its URL has a parameter ${stray[0]}, which means nothing here. ${parameters}`)

  const credentials = {
    ...credentialsOf(user),
    tls: secure === "s",
    certificates: isNamed ? { ca, cert, key } : undefined
  }
  switch (kind) {
    case "cluster":
      return Result.succeed({ _tag: "Cluster", nodes: addresses, ...credentials })
    case "sentinel": {
      const guard = { sentinelUsername, sentinelPassword: redacted(sentinelPassword) }
      return Result.succeed({ _tag: "Sentinel", sentinels: addresses, name, db, ...credentials, ...guard })
    }
    default:
      return Result.succeed({ _tag: "Standalone", address: addresses[0]!, db, ...credentials })
  }
}

const fromSocketUrl = (url: string): Result.Result<Server, IncompatibleStore> => {
  const groups = socketForm.exec(url)?.groups
  if (groups === undefined) return wrong(notSocketUrl)
  const { db = "0", path = "", user } = groups
  const address = { path: decoded(path) }
  return Result.succeed({ _tag: "Standalone", address, db: Number(db), ...credentialsOf(user), tls: false })
}

const wrong = (reason: string): Result.Result<never, IncompatibleStore> =>
  Result.fail(new IncompatibleStore({ reason }))

const notUrl =
  "Its URL is none of a Redis. Write redis://user:password@host:port, rediss://host:port for TLS, " +
  "redis+socket:///path, redis+sentinel://host:port,host:port/name or redis+cluster://host:port,host:port; signs such as @ and / in a password " +
  "are written as %40 and %2F."
const notSocketUrl =
  "Its URL is none of a socket. Write redis+socket:///path/to/redis.sock, or " +
  "redis+socket://user:password@/path/to/redis.sock?db=1."
const oneHost = "Its URL names several hosts. Write redis+sentinel or redis+cluster for redis."
const notPath =
  "In its URL the number of a database must follow the host, or, with redis+sentinel, the primary's name and that number."
const parameters = "There are ca, cert and key with rediss, sentinelUsername and sentinelPassword with redis+sentinel."

/** The URL as it can be shown: what is secret in it is left out. */
export const withoutSecrets = (url: string): string =>
  url
    .replace(/^(\w[\w+]*:\/\/[^@/:]*):[^@/]*@/, "$1@")
    .replace("://@", "://")
    .replace(/([?&])sentinelPassword=[^&]*&?/, "$1")
    .replace(/[?&]$/, "")

const credentialsOf = (user: string | undefined): Pick<Credentials, "username" | "password"> => {
  if (user === undefined) return { username: undefined, password: undefined }
  const [name = "", ...rest] = user.split(":")
  const password = rest.join(":")
  return {
    username: name === "" ? undefined : decoded(name),
    password: redacted(password === "" ? undefined : decoded(password))
  }
}

const redacted = (secret: string | undefined): Redacted.Redacted<string> | undefined =>
  secret === undefined ? undefined : Redacted.make(secret)

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** `host:port`, `host`, `[::1]:port`, or the URL of a server, of which the host and the port count. */
export const addressOf = (text: string, port: number): Address => {
  const url = URL.parse(text.includes("://") ? text : `redis://${text}`)
  // No connection will be made there, and what is said about that names it.
  if (url === null) return { host: text, port }
  const { hostname, port: named } = url
  return { host: hostname.replace(/^\[(.*)\]$/, "$1"), port: named === "" ? port : Number(named) }
}

/** `host:port`, or the path of a socket. */
export const written = (address: Address | SocketFile): string => {
  if ("path" in address) return address.path
  const { host, port } = address
  return `${host.includes(":") ? `[${host}]` : host}:${port}`
}

/** Those that are named, some of all. */
export const addressesOf = (server: Server): ReadonlyArray<Address | SocketFile> => {
  switch (server._tag) {
    case "Standalone":
      return [server.address]
    case "Sentinel":
      return server.sentinels
    case "Cluster":
      return server.nodes
  }
}

/** A secret as the client needs it. */
export const reveal = (secret: string | Redacted.Redacted<string>): string =>
  typeof secret === "string" ? secret : Redacted.value(secret)

type Open<S> = {
  readonly [K in keyof S]: K extends "password" | "sentinelPassword" ? Exclude<S[K], Redacted.Redacted<string>> : S[K]
}

/** With its secrets laid open: what a client takes, and what can be handed to a thread. Never log it. */
export type Revealed = Open<Standalone> | Open<Sentinel> | Open<Cluster>

export const revealed = (server: Server): Revealed => {
  const password = server.password && reveal(server.password)
  if (server._tag !== "Sentinel") return { ...server, password }
  return { ...server, password, sentinelPassword: server.sentinelPassword && reveal(server.sentinelPassword) }
}

/** Where it is, without anything secret. */
export const describe = (server: Server): string => {
  const listed = addressesOf(server).map(written).join(", ")
  switch (server._tag) {
    case "Standalone":
      return listed
    case "Sentinel":
      return `${server.name} of the Sentinels ${listed}`
    case "Cluster":
      return `the cluster of ${listed}`
  }
}
