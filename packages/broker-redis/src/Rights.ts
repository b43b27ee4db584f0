/**
 * What the user of a connection must be allowed to do. Functions run with the rights of their caller, so every command they
 * call is among them; a user with these rights, on the keys and channels of one namespace, can do no more than that.
 */

/**
 * Sent by connections: to see whether Redis is there, for the library and its functions, for what it does without them while
 * it is full, for hints, for another database than 0.
 */
const sent = ["info", "ping", "select", "fcall", "function|load", "eval", "subscribe"] as const

/**
 * Every command that the functions call, as a call without effect: on a key that is never there, or of a kind its key is not.
 * `schema` is a string.
 */
export const probes = (prefix: string): ReadonlyArray<ReadonlyArray<string>> => {
  const [absent, schema] = [`${prefix}probe`, `${prefix}schema`]
  return [
    ["TIME"],
    ["GET", schema],
    ["SET", schema, "", "NX"],
    ["DEL", absent],
    ["UNLINK", absent],
    ["EXISTS", absent],
    ["RENAME", absent, absent],
    ["HGET", absent, "0"],
    ["HMGET", absent, "0"],
    ["HGETALL", absent],
    ["HKEYS", absent],
    ["HLEN", absent],
    ["HEXISTS", absent, "0"],
    ["HSCAN", absent, "0"],
    ["HSET", schema, "0", "0"],
    ["HDEL", absent, "0"],
    ["HINCRBY", schema, "0", "1"],
    ["LLEN", absent],
    ["LRANGE", absent, "0", "0"],
    ["LPUSH", schema, "0"],
    ["RPUSH", schema, "0"],
    ["LREM", absent, "0", "0"],
    ["LSET", absent, "0", "0"],
    ["LTRIM", absent, "0", "0"],
    ["SADD", schema, "0"],
    ["SREM", absent, "0"],
    ["SISMEMBER", absent, "0"],
    ["SRANDMEMBER", absent],
    ["SPOP", absent],
    ["ZADD", absent, "XX", "0", "0"],
    ["ZREM", absent, "0"],
    ["ZSCORE", absent, "0"],
    ["ZRANGE", absent, "0", "0"],
    ["PUBLISH", absent, ""]
  ]
}

/** Every command a connection sends or its scripts call, in lower case. */
export const commands: ReadonlyArray<string> = [...sent, ...probes("").map(([name]) => name!.toLowerCase())]

/** What a connection was refused. */
export interface Refusal {
  readonly command: string
  readonly kind: "command" | "key" | "channel"
}

/** Whether an error of Redis is about a right. Told to a script, Redis 7.0 says it in one way, later versions and Valkey in another. */
export const isRefusal = (error: string): boolean =>
  /\bNOPERM\b|ACL failure in script|The user executing the script can't/.test(error)

/** What an error of Redis refuses; nothing when it is about something else. `command` is what was sent, where the error does not name it. */
export const refusalOf = (error: string, command: string): Refusal | undefined => {
  if (!isRefusal(error)) return undefined
  const named = /run the '([^']+)' command/.exec(error)?.[1]
  const kind = /\bchannel/.test(error) ? "channel" : /\bkey/.test(error) && named === undefined ? "key" : "command"
  return { command: (named ?? command).toLowerCase(), kind }
}

/** What is refused, in a sentence. */
export const inWords = (refusals: ReadonlyArray<Refusal>, namespace: string): string => {
  const of = (kind: Refusal["kind"]) => [
    ...new Set(refusals.filter((refusal) => refusal.kind === kind).map(({ command }) => command))
  ]
  const parts = [
    ...clause("run", of("command")),
    ...clause(`touch the keys ${namespace}* with`, of("key")),
    ...clause(`use the channels ${namespace}* with`, of("channel"))
  ]
  return `The user of this connection may not ${parts.join(", nor ")}.`
}

const clause = (verb: string, commands: ReadonlyArray<string>): ReadonlyArray<string> =>
  commands.length === 0 ? [] : [`${verb} ${commands.join(", ")}`]

/** What to do about it. */
export const advice = (namespace: string): string =>
  `Give it the rights that docs/redis.md lists: ~${namespace}* &${namespace}* -@all ${commands.map((name) => `+${name}`).join(" ")}`
