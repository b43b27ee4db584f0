/**
 * What is wrong with a Redis before anything is done with it: a connection of its own asks for an answer, and what comes
 * instead is put into a sentence with the way out. A client library would try again and again, and tell nobody why.
 */
import * as net from "node:net"
import * as tls from "node:tls"

/** How long a Redis may take to answer, in milliseconds. */
const patience = 3_000

/** Nothing when it answers as a Redis should; otherwise what is wrong, without its password. */
export const of = (url: string): Promise<string | undefined> =>
  new Promise((resolve) => {
    const redis = new URL(url)
    const place: Place = {
      host: redis.hostname.replace(/^\[|\]$/g, ""),
      port: redis.port === "" ? 6379 : Number(redis.port),
      at: `${redis.hostname}:${redis.port === "" ? "6379" : redis.port}`,
      secure: redis.protocol === "rediss:",
      user: decodeURIComponent(redis.username),
      password: decodeURIComponent(redis.password),
      database: /^\/\d+$/.test(redis.pathname) ? redis.pathname.slice(1) : "0"
    }
    const socket = place.secure
      ? tls.connect({ host: place.host, port: place.port, servername: net.isIP(place.host) === 0 ? place.host : "" })
      : net.connect(place)
    let answer = ""
    let connected = false
    const end = (wrong: string | undefined) => {
      clearTimeout(timer)
      socket.removeAllListeners().on("error", () => {})
      socket.destroy()
      resolve(wrong)
    }
    const timer = setTimeout(() => end(connected ? silent(place) : unreachable(place)), patience)
    socket.once("error", (error: NodeJS.ErrnoException) => end(refused(place, error)))
    socket.once("close", () => end(hungUp(place)))
    socket.once(place.secure ? "secureConnect" : "connect", () => {
      connected = true
      socket.write(questions(place).map(command).join(""))
    })
    socket.on("data", (chunk: Buffer) => {
      answer += chunk.toString("latin1")
      const lines = answer.split("\r\n")
      const complete = lines.slice(0, -1)
      const wrong = complete.map((line) => misgiving(place, line)).find((sentence) => sentence !== undefined)
      if (wrong !== undefined) end(wrong)
      else if (complete.length >= questions(place).length) end(undefined)
    })
  })

interface Place {
  readonly host: string
  readonly port: number
  /** `host:port`. */
  readonly at: string
  readonly secure: boolean
  readonly user: string
  readonly password: string
  readonly database: string
}

/** Each is answered with one line. */
const questions = ({ user, password, database }: Place): ReadonlyArray<ReadonlyArray<string>> => [
  ...(password === "" ? [] : [["AUTH", ...(user === "" ? [] : [user]), password]]),
  ["PING"],
  ...(database === "0" ? [] : [["SELECT", database]])
]

const command = (words: ReadonlyArray<string>): string =>
  `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join("")}`

const misgiving = (place: Place, line: string): string | undefined => {
  const { at, user, database } = place
  if (!/^[+\-:]/.test(line)) return `What answers on ${at} is no Redis. Look at the port in the URL.`
  if (!line.startsWith("-")) return undefined
  const [code] = line.slice(1).split(" ", 1)
  const who = user === "" ? "" : ` of user ${user}`
  switch (code) {
    case "NOAUTH":
      return `The Redis on ${at} asks for a password. Put it into the URL, in the environment: ARPEGGIO_REDIS_URL=redis://:password@${at}.`
    case "WRONGPASS":
      return `The Redis on ${at} does not accept the password${who}. Correct it in the URL; signs such as @ and / are written as %40 and %2F there.`
    case "NOPERM":
      return `The Redis on ${at} does not permit ${user === "" ? "this user" : `user ${user}`} to do what is needed: ${line.slice(8)}. Widen its ACL.`
    case "LOADING":
      return `The Redis on ${at} is still loading its data. Try again in a moment.`
    case "DENIED":
      return `The Redis on ${at} is in protected mode and lets only its own machine in. Give it a password, or bind it to the address you use.`
  }
  if (/DB index is out of range/.test(line))
    return `The Redis on ${at} has no database ${database}. Correct the number at the end of the URL.`
  // It has no password and is given one: a warning for others, no reason to stop.
  if (/without any password configured|no password is set/.test(line)) return undefined
  return `The Redis on ${at} refuses: ${line.slice(1)}.`
}

const refused = ({ at, host, secure }: Place, error: NodeJS.ErrnoException): string => {
  switch (error.code) {
    case "ECONNREFUSED":
      return `No Redis listens on ${at}. Start one there (redis-server), or correct the URL.`
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return `There is no host named ${host}. Correct the URL.`
    case "ECONNRESET":
      return secure
        ? `What listens on ${at} speaks no TLS. Write redis:// instead of rediss://, or correct the port.`
        : `What listens on ${at} ends the connection at once. Look at the port in the URL.`
    case "ERR_SSL_WRONG_VERSION_NUMBER":
    case "ERR_SSL_PACKET_LENGTH_TOO_LONG":
    case "EPROTO":
      return `What listens on ${at} speaks no TLS. Write redis:// instead of rediss://, or correct the port.`
  }
  const isCertificate = secure && /certificate|altnames|self.signed/i.test(error.message)
  return isCertificate
    ? `The certificate of ${at} is not trusted: ${error.message}. Name the file of its authority in NODE_EXTRA_CA_CERTS.`
    : `${at} can't be reached: ${error.message === "" ? (error.code ?? "no reason is given") : error.message}. Look at the URL and at the network.`
}

const unreachable = ({ at, secure }: Place): string =>
  secure
    ? `No connection with TLS to ${at} within ${patience / 1_000} s. If it speaks no TLS, write redis:// instead of rediss://; else look at the network.`
    : `No connection to ${at} within ${patience / 1_000} s. Look at the URL, the network and its firewalls.`

const silent = ({ at, secure }: Place): string =>
  `${at} lets in and does not answer within ${patience / 1_000} s. Look at the load of the Redis${secure ? "" : ", or write rediss:// if it speaks TLS"}.`

const hungUp = ({ at, secure }: Place): string =>
  `${at} lets in and hangs up. ${secure ? "Look at the log of the Redis there." : "If it speaks TLS, write rediss:// instead of redis://; else look at the log of the Redis there."}`
