/**
 * A TCP proxy on this machine that misbehaves on request: connections are cut, replies are lost after their commands were
 * carried out, bytes come late or slowly, or vanish without a word.
 */
import { connect, createServer, type AddressInfo, type Socket } from "node:net"

export interface TcpProxy {
  readonly port: number
  readonly url: string
  /** Connections that are open now. */
  readonly connections: () => number
  /** Closes every connection at once; new ones are accepted. Gives their number. */
  readonly cut: () => number
  /**
   * Lets the next requests of this kind through, and cuts their connection instead of passing on the reply: whoever asked
   * can't know whether it was carried out. Resolves with the number of replies dropped by then, once there were so many
   * or `within` milliseconds are over.
   */
  readonly dropReplies: (count: number, within: number, isMeant?: (request: Buffer) => boolean) => Promise<number>
  /** Delays what servers say by up to so many milliseconds. */
  readonly delay: (millis: number) => void
  /** Carries no more than so many bytes per millisecond in each direction of a connection. */
  readonly narrow: (bytes: number) => void
  /** Swallows everything in both directions, on new connections too, until `heal`. Nobody is told. */
  readonly blackHole: () => void
  /** Swallows everything in both directions on the connections there are, for ever; new ones are served. Nobody is told. */
  readonly strand: () => void
  /** Refuses new connections and cuts those there are, until `heal`. */
  readonly refuse: () => void
  /** Behaves again. What was swallowed stays swallowed; those connections are cut. */
  readonly heal: () => void
  readonly stop: () => Promise<void>
}

interface Link {
  readonly client: Socket
  readonly server: Socket
  /** A request has passed since replies are to be dropped. */
  armed: boolean
  swallowing: boolean
  /** Chunks of replies that are held back. */
  readonly late: Array<Buffer>
}

type Mood = "calm" | "black hole" | "refusing"

/** Passes connections on to `target`, a port of this machine. */
export const start = async (target: number): Promise<TcpProxy> => {
  const links = new Set<Link>()
  let mood: Mood = "calm"
  let latency = 0
  let width = Infinity
  let toDrop = 0
  let dropped = 0
  let isMeant = (_request: Buffer): boolean => true
  let onDropped = () => {}

  const close = (link: Link) => {
    links.delete(link)
    link.client.destroy()
    link.server.destroy()
  }

  const onRequest = (link: Link, chunk: Buffer) => {
    if (link.swallowing) return
    if (toDrop > 0 && isMeant(chunk)) link.armed = true
    carry(link.client, link.server, chunk)
  }

  const onReply = (link: Link, chunk: Buffer) => {
    if (link.swallowing) return
    if (link.armed && toDrop > 0) {
      toDrop--
      dropped++
      close(link)
      return onDropped()
    }
    if (latency > 0 || link.late.length > 0) return late(link, chunk)
    carry(link.server, link.client, chunk)
  }

  const carry = (from: Socket, to: Socket, chunk: Buffer) => {
    const isFree = to.write(chunk)
    if (isFree && width === Infinity) return
    from.pause()
    setTimeout(
      () => (to.writableNeedDrain ? to.once("drain", () => from.resume()) : from.resume()),
      chunk.length / width
    )
  }

  /** Whichever timer fires first, the oldest chunk goes first: bytes never overtake each other. */
  const late = (link: Link, chunk: Buffer) => {
    link.late.push(chunk)
    setTimeout(() => {
      const oldest = link.late.shift()
      if (oldest !== undefined && !link.client.destroyed) link.client.write(oldest)
    }, latency)
  }

  const proxy = createServer((client) => {
    if (mood === "refusing") return client.destroy()
    const server = connect(target, "127.0.0.1")
    const link: Link = { client, server, armed: false, swallowing: mood === "black hole", late: [] }
    links.add(link)
    client.setNoDelay(true)
    server.setNoDelay(true)
    client.on("data", (chunk) => onRequest(link, chunk))
    server.on("data", (chunk) => onReply(link, chunk))
    for (const socket of [client, server]) {
      socket.on("error", () => close(link))
      socket.on("close", () => close(link))
    }
  })
  await new Promise<void>((resolve, reject) => {
    proxy.once("error", reject)
    proxy.listen(0, "127.0.0.1", resolve)
  })
  const { port } = proxy.address() as AddressInfo
  const cut = () => {
    const count = links.size
    for (const link of [...links]) close(link)
    return count
  }

  const strand = () => {
    for (const link of links) link.swallowing = true
  }

  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    connections: () => links.size,
    cut,
    dropReplies: (count, within, which = () => true) =>
      new Promise((resolve) => {
        isMeant = which
        for (const link of links) link.armed = false
        dropped = 0
        toDrop = count
        const finish = () => {
          clearTimeout(timer)
          toDrop = 0
          onDropped = () => {}
          resolve(dropped)
        }
        const timer = setTimeout(finish, within)
        onDropped = () => {
          if (toDrop === 0) finish()
        }
      }),
    delay: (millis) => {
      latency = millis
    },
    narrow: (bytes) => {
      width = bytes
    },
    blackHole: () => {
      mood = "black hole"
      strand()
    },
    strand,
    refuse: () => {
      mood = "refusing"
      cut()
    },
    heal: () => {
      mood = "calm"
      for (const link of [...links]) if (link.swallowing) close(link)
    },
    stop: () => {
      cut()
      return new Promise((resolve) => proxy.close(() => resolve()))
    }
  }
}
