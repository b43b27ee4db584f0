/**
 * Where the store is: one server, a primary that Sentinels watch over, or a cluster. Secrets are redacted.
 *
 * Each has a URL, so that one setting can name any of them:
 *
 * | URL | what it names |
 * | --- | --- |
 * | `redis://user:password@host:6379/0`, `rediss://…` for TLS | one server |
 * | `redis+sentinel://user:password@host:26379,host:26379/name/0`, `rediss+sentinel://…` | the primary called `name` |
 * | `redis+cluster://user:password@host:6379,host:6379`, `rediss+cluster://…` | a cluster, found over any of its nodes |
 */
import * as Redacted from "effect/Redacted"
import type { ConnectionOptions as Tls } from "node:tls"

export interface Address {
  readonly host: string
  readonly port: number
}

/** How to be let in. */
export interface Credentials {
  readonly username?: string | undefined
  readonly password?: string | Redacted.Redacted<string> | undefined
  /** `true`, or what Node's TLS should know: a certificate authority, a client certificate. Default: no TLS. */
  readonly tls?: boolean | Tls | undefined
}

export interface Standalone {
  readonly _tag: "Standalone"
  readonly url: string | Redacted.Redacted<string>
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

const several = /^redis(s?)\+(sentinel|cluster):\/\/(?:([^@/]*)@)?([^@/]+)((?:\/[^/]*)*)$/

/** What a URL names. One that names several hosts and can't be read is taken for that of one server, whose client complains. */
export const fromUrl = (url: string | Redacted.Redacted<string>): Server => {
  const parts = several.exec(reveal(url))
  if (parts === null) return { _tag: "Standalone", url }
  const [, secure, kind, user, hosts, path] = parts
  const [username, password] = credentialsOf(user)
  const credentials = { username, password, tls: secure === "s" }
  const [name, db] = path!.split("/").filter((part) => part !== "")
  return kind === "cluster"
    ? { _tag: "Cluster", nodes: addressesOf(hosts!, 6_379), ...credentials }
    : {
        _tag: "Sentinel",
        sentinels: addressesOf(hosts!, 26_379),
        name: decoded(name ?? "mymaster"),
        db: Number(db ?? 0),
        ...credentials
      }
}

const credentialsOf = (
  user: string | undefined
): readonly [username: string | undefined, password: Redacted.Redacted<string> | undefined] => {
  if (user === undefined) return [undefined, undefined]
  const [name = "", ...rest] = user.split(":")
  const password = rest.length === 0 ? undefined : Redacted.make(decoded(rest.join(":")))
  return [name === "" ? undefined : decoded(name), password]
}

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

const addressesOf = (hosts: string, port: number): ReadonlyArray<Address> =>
  hosts.split(",").map((text) => addressOf(text, port))

/** `host:port`, `host`, `[::1]:port`, or the URL of a server, of which the host and the port count. */
export const addressOf = (text: string, port: number): Address => {
  const url = URL.parse(text.includes("://") ? text : `redis://${text}`)
  // No connection will be made there, and what is said about that names it.
  if (url === null) return { host: text, port }
  const { hostname, port: named } = url
  return { host: hostname.replace(/^\[(.*)\]$/, "$1"), port: named === "" ? port : Number(named) }
}

/** A secret as the client needs it. */
export const reveal = (secret: string | Redacted.Redacted<string>): string =>
  typeof secret === "string" ? secret : Redacted.value(secret)

/** The same with its secrets laid open, so that it can be handed to a thread. Never log it. */
export const revealed = (server: Server): Server => {
  switch (server._tag) {
    case "Standalone":
      return { ...server, url: reveal(server.url) }
    case "Cluster":
      return { ...server, password: server.password && reveal(server.password) }
    case "Sentinel":
      return {
        ...server,
        password: server.password && reveal(server.password),
        sentinelPassword: server.sentinelPassword && reveal(server.sentinelPassword)
      }
  }
}

/** Where it is, without anything secret. */
export const describe = (server: Server): string => {
  switch (server._tag) {
    case "Standalone": {
      const url = reveal(server.url)
      if (!URL.canParse(url)) return "the given address"
      const { host, pathname, port } = new URL(url)
      return host === "" ? pathname : port === "" ? `${host}:6379` : host
    }
    case "Sentinel":
      return `${server.name} of the Sentinels ${listed(server.sentinels)}`
    case "Cluster":
      return `the cluster of ${listed(server.nodes)}`
  }
}

const listed = (addresses: ReadonlyArray<Address>): string =>
  addresses.map(({ host, port }) => `${host}:${port}`).join(", ")
