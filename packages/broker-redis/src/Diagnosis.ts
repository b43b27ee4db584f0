/**
 * What is wrong with a store that can't be connected to, and the way out. A client library tries again and again and keeps
 * to itself why; so each address is asked once more, over a bare connection, and what comes instead of an answer is put into
 * a sentence.
 */
import * as Result from "effect/Result"
import * as net from "node:net"
import * as tls from "node:tls"
import * as Certificates from "./Certificates.ts"
import { reveal, written } from "./Server.ts"
import type { Address, Credentials, Server, SocketFile } from "./Server.ts"

/** What is wrong, without anything secret. `passes`: it may be over by itself, so that waiting helps. */
export interface Trouble {
  readonly says: string
  readonly passes: boolean
}

/** Nothing when all answer as they should. Each may take `patience` milliseconds. */
export const of = async (server: Server, patience: number): Promise<Trouble | undefined> => {
  const at = (address: Address | SocketFile, questions: Place["questions"]): Place => ({
    ...access(server),
    at: written(address),
    address,
    what: "Redis",
    questions,
    patience
  })
  switch (server._tag) {
    case "Standalone":
      return worst([await ask(at(server.address, select(server.db)))])
    case "Cluster":
      return worst(await Promise.all(server.nodes.map((node) => ask(at(node, [["CLUSTER", "INFO"]])))))
    case "Sentinel": {
      const { db, name, sentinelPassword, sentinelUsername, sentinels } = server
      const guard = access({ ...server, username: sentinelUsername, password: sentinelPassword })
      const questions = [["SENTINEL", "GET-MASTER-ADDR-BY-NAME", name]]
      const answers = await Promise.all(
        sentinels.map((address) => ask({ ...at(address, questions), ...guard, what: "Sentinel" }))
      )
      const heard = answers.flatMap((answer) => (Result.isSuccess(answer) ? [answer.success.at(-1)!] : []))
      if (heard.length === 0) return worst(answers)
      const found = heard.map((reply) => /^(\S+) (\d+)$/.exec(reply)).find((match) => match !== null)
      if (found === undefined)
        return stays(
          `The Sentinels ${sentinels.map(written).join(", ")} know no primary called ${name}. Correct the name, which stands ` +
            "after the hosts in the URL."
        )
      const primary = { host: found[1]!, port: Number(found[2]) }
      const answer = await ask({
        ...at(primary, select(db)),
        at: `${written(primary)} (the primary, its Sentinels say)`
      })
      return worst([answer])
    }
  }
}

const passes = (says: string): Trouble => ({ says, passes: true })
const stays = (says: string): Trouble => ({ says, passes: false })

type Answer = Result.Result<ReadonlyArray<string>, Trouble>

/** One address that answers is enough; where none does, what stays is told first. */
const worst = (answers: ReadonlyArray<Answer>): Trouble | undefined => {
  const troubles = answers.flatMap((answer) => (Result.isFailure(answer) ? [answer.failure] : []))
  return troubles.length < answers.length ? undefined : (troubles.find(({ passes }) => !passes) ?? troubles[0])
}

// ---- one address ----------------------------------------------------------------------------------------------------

interface Access {
  readonly secure: tls.ConnectionOptions | undefined
  readonly user: string
  readonly password: string
}

interface Place extends Access {
  readonly address: Address | SocketFile
  /** The address in words. */
  readonly at: string
  readonly what: "Redis" | "Sentinel"
  readonly questions: ReadonlyArray<ReadonlyArray<string>>
  readonly patience: number
}

const access = ({ password, tls, username }: Credentials): Access => ({
  secure: typeof tls === "object" ? tls : tls === true ? {} : undefined,
  user: username ?? "",
  password: password === undefined ? "" : reveal(password)
})

const select = (db: number): Place["questions"] => (db === 0 ? [] : [["SELECT", String(db)]])

/** The replies to all questions, or the first thing that is wrong. */
const ask = (place: Place): Promise<Answer> =>
  new Promise((resolve) => {
    const { address, password, patience, secure, user } = place
    const questions = [
      ...(password === "" ? [] : [["AUTH", ...(user === "" ? [] : [user]), password]]),
      ["PING"],
      ...place.questions
    ]
    const name = "host" in address && net.isIP(address.host) === 0 ? { servername: address.host } : {}
    const socket = secure === undefined ? net.connect(address) : tls.connect({ ...address, ...name, ...secure })
    let received = ""
    let connected = false
    const end = (answer: Answer) => {
      clearTimeout(timer)
      socket.removeAllListeners().on("error", () => {})
      socket.destroy()
      resolve(answer)
    }
    const fail = (trouble: Trouble) => end(Result.fail(trouble))
    const timer = setTimeout(() => fail(connected ? silent(place) : unreachable(place)), patience)
    socket.once("error", (error: NodeJS.ErrnoException) => fail(refused(place, error, connected)))
    socket.once("close", () => fail(hungUp(place, connected)))
    const speak = () => socket.write(questions.map(command).join(""))
    socket.once(secure === undefined ? "connect" : "secureConnect", () => {
      connected = true
      // A server that wants a certificate says so only now; whoever writes at once is cut off instead, and not told.
      if (secure === undefined) speak()
      else setTimeout(speak, 100)
    })
    socket.on("data", (chunk: Buffer) => {
      received += chunk.toString("latin1")
      if (!/^[+\-:$*]/.test(received)) return fail(stays(`What answers on ${place.at} is no Redis. Look at the port.`))
      const replies = repliesIn(received)
      const wrong = replies.map((reply) => misgiving(place, reply)).find((trouble) => trouble !== undefined)
      if (wrong !== undefined) fail(wrong)
      else if (replies.length === questions.length) end(Result.succeed(replies))
    })
  })

const command = (words: ReadonlyArray<string>): string =>
  `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join("")}`

/** Those that have come in whole: errors with their minus, arrays as their items with blanks between. */
const repliesIn = (text: string): ReadonlyArray<string> => {
  let at = 0
  const next = (): string | undefined => {
    const end = text.indexOf("\r\n", at)
    if (end === -1) return undefined
    const head = text.slice(at, end)
    const size = Number(head.slice(1))
    at = end + 2
    if (head.startsWith("$") && size >= 0) {
      at += size + 2
      return at > text.length ? undefined : text.slice(end + 2, at - 2)
    }
    if (!head.startsWith("*") || size < 0) return head
    const items = Array.from({ length: size }, next)
    return items.includes(undefined) ? undefined : items.join(" ")
  }
  const replies: Array<string> = []
  for (let reply = next(); reply !== undefined; reply = next()) replies.push(reply)
  return replies
}

// ---- in words -------------------------------------------------------------------------------------------------------

const passing = /^-(LOADING|BUSY|MASTERDOWN|CLUSTERDOWN|ERR max number of clients)/

const misgiving = (place: Place, reply: string): Trouble | undefined => {
  if (!reply.startsWith("-")) return undefined
  const { at, questions, user, what } = place
  const [code] = reply.slice(1).split(" ", 1)
  const who = user === "" ? "" : ` of user ${user}`
  switch (code) {
    case "NOAUTH":
      return stays(`The ${what} on ${at} asks for a password. ${giveIt(place)}`)
    case "WRONGPASS":
      return stays(`The ${what} on ${at} does not accept the password${who}. ${giveIt(place)}`)
    case "NOPERM":
      return stays(
        `The ${what} on ${at} does not permit ${user === "" ? "this user" : `user ${user}`} to do what is needed: ` +
          `${reply.slice("-NOPERM ".length)}. docs/redis.md lists the rights it needs.`
      )
    case "DENIED":
      return stays(
        `The ${what} on ${at} is in protected mode and lets only its own machine in. Give it a password, or bind it to the address you use.`
      )
    case "LOADING":
      return passes(`The Redis on ${at} is still loading its data. Try again in a moment.`)
  }
  if (reply.includes("DB index is out of range"))
    return stays(`The Redis on ${at} has no database ${questions.at(-1)?.at(-1)}. Correct the number.`)
  if (reply.includes("cluster support disabled"))
    return stays(`The Redis on ${at} is no part of a Cluster. Write redis:// instead of redis+cluster://.`)
  if (what === "Sentinel" && reply.includes("unknown command"))
    return stays(`What answers on ${at} is no Sentinel but a Redis. Name the Sentinels, whose port often is 26379.`)
  // It has no password and is given one: a warning for others, no reason to stop.
  if (/without any password configured|no password is set/.test(reply)) return undefined
  return { says: `The ${what} on ${at} refuses: ${reply.slice(1)}.`, passes: passing.test(reply) }
}

const giveIt = ({ password, what }: Place): string => {
  const verb = password === "" ? "Give it" : "Correct it"
  return what === "Sentinel"
    ? `${verb} as that of the Sentinels: ?sentinelPassword=password in the URL, or \`sentinelPassword\` in the options.`
    : `${verb} in the URL, redis://user:password@host:port, where signs such as @ and / are written as %40 and %2F (on the ` +
        "command line in ARPEGGIO_REDIS_URL), or as `password` in the options."
}

const untrusted =
  /^(SELF_SIGNED_CERT_IN_CHAIN|DEPTH_ZERO_SELF_SIGNED_CERT|UNABLE_TO_(GET_ISSUER_CERT(_LOCALLY)?|VERIFY_LEAF_SIGNATURE)|CERT_SIGNATURE_FAILURE)$/

const refused = (place: Place, error: NodeJS.ErrnoException, connected: boolean): Trouble => {
  const { address, at, secure, what } = place
  const { code = "" } = error
  const message = Certificates.messageOf(error)
  if (secure !== undefined && code.includes("ALERT")) return unwelcome(place, message)
  switch (code) {
    case "ECONNREFUSED":
      return passes(
        `No ${what} listens on ${at}. Start one there (${what === "Redis" ? "redis-server" : "redis-sentinel"}), or correct the address.`
      )
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return passes(`There is no host named ${"host" in address ? address.host : at}. Correct the address.`)
    case "ENOENT":
      return passes(`There is no socket ${at}. Start a Redis that has it as its \`unixsocket\`, or correct the path.`)
    case "EACCES":
      return stays(`The socket ${at} is not for this user of the system. See \`unixsocketperm\` of the Redis.`)
    case "ECONNRESET":
      return hungUp(place, connected)
    case "ERR_SSL_WRONG_VERSION_NUMBER":
    case "ERR_SSL_PACKET_LENGTH_TOO_LONG":
    case "EPROTO":
      return stays(`What listens on ${at} speaks no TLS. Write redis:// instead of rediss://, or correct the port.`)
    case "CERT_HAS_EXPIRED":
      return stays(`The certificate of ${at} has expired. Renew it there.`)
    case "ERR_TLS_CERT_ALTNAME_INVALID":
      return stays(
        `The certificate of ${at} is for other names: ${message}. Use one of those, or make a certificate for this one.`
      )
  }
  if (untrusted.test(code)) {
    const given = secure?.ca === undefined ? "one that is known here" : "the one that was named"
    return stays(
      `The certificate of ${at} is from another authority than ${given} (${message}). Name the file with its authority's: ` +
        "?ca=/path/to/ca.crt in the URL, `certificates` in the options, or NODE_EXTRA_CA_CERTS in the environment."
    )
  }
  return passes(`${at} can't be reached: ${message === "" ? code : message}. Look at the address and at the network.`)
}

/** TLS is there, and the server does not want to talk to whom it talks. */
const unwelcome = ({ at, secure, what }: Place, message: string): Trouble =>
  stays(
    secure?.cert === undefined
      ? `The ${what} on ${at} asks for a certificate of the client (${message}). Name the files of one and of its key: ` +
          "?cert=/path/to/client.crt&key=/path/to/client.key in the URL, or `certificates` in the options."
      : `The ${what} on ${at} does not accept the certificate that it was shown (${message}). Make one that is from ` +
          "the authority the server knows, and still valid."
  )

const unreachable = ({ at, patience, secure }: Place): Trouble =>
  passes(
    secure === undefined
      ? `No connection to ${at} within ${patience} ms. Look at the address, the network and its firewalls.`
      : `No connection with TLS to ${at} within ${patience} ms. If it speaks no TLS, write redis:// instead of rediss://; else look at the network.`
  )

const silent = ({ at, patience, secure }: Place): Trouble =>
  passes(
    `${at} lets in and does not answer within ${patience} ms. Look at the load of the server${secure === undefined ? ", or write rediss:// if it speaks TLS" : ""}.`
  )

const hungUp = ({ at, secure }: Place, connected: boolean): Trouble => {
  const [scheme, other] = secure === undefined ? ["redis", "rediss"] : ["rediss", "redis"]
  const speaks = secure === undefined ? "speaks TLS" : "speaks no TLS"
  const log = "look at the log of the server"
  return passes(
    secure !== undefined && connected
      ? `${at} lets in and hangs up. It may ask for a certificate of the client; ${log}.`
      : `${at} hangs up. If it ${speaks}, write ${other}:// instead of ${scheme}://; else ${log}.`
  )
}
