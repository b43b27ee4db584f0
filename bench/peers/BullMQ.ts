/**
 * The processes of BullMQ: `node BullMQ.ts producer|worker <url>`. One queue, one `Worker`; jobs in bulk by `addBulk`,
 * graphs by `FlowProducer`, outcomes by `QueueEvents`, as its documentation recommends. Completed jobs are kept, which is
 * its default.
 */
import { FlowProducer, Job, Queue, QueueEvents, Worker } from "bullmq"
import type { FlowJob } from "bullmq"
import type { Answer, Graph } from "../Protocol.ts"
import { serve, settings } from "./Serve.ts"

const { role, url } = settings()
const { hostname, password, pathname, port } = new URL(url)

const connection = {
  host: hostname,
  port: Number(port || 6379),
  ...(password === "" ? {} : { password: decodeURIComponent(password) }),
  db: Number(pathname.slice(1) || 0),
  maxRetriesPerRequest: null
}

const queueName = "bench"

/** Jobs of one `addBulk`, flows of one `FlowProducer.addBulk`. */
const chunk = { jobs: 1_000, flows: 100 }

const range = (from: number, to: number): ReadonlyArray<number> => Array.from({ length: to - from }, (_, i) => from + i)

// ---- producer -------------------------------------------------------------------------------------------------------

const job = (name: string, data: object, children: ReadonlyArray<FlowJob> = []): FlowJob => ({
  name,
  queueName,
  data,
  ...(children.length === 0 ? {} : { children: [...children] })
})

const noop = (n: number): FlowJob => job("noop", { n })

/** The root of a flow is its last job: children are worked on before their parents. */
const small = (n: number): FlowJob =>
  job("next", {}, [
    job(
      "total",
      {},
      range(0, 5).map(() => noop(n))
    )
  ])

const chain = (hops: number): FlowJob => {
  let root = job("next", { n: 0 })
  for (let hop = 1; hop < hops; hop++) root = job("next", {}, [root])
  return root
}

const chord = (size: number): FlowJob => job("total", {}, range(0, size).map(noop))

const graphOf = (graph: Graph, size: number): FlowJob => {
  switch (graph) {
    case "chain":
      return chain(size)
    case "chord":
      return chord(size)
    case "forEach":
    case "mesh":
      throw new Error(`BullMQ has no ${graph}`)
  }
}

const produce = async (): Promise<void> => {
  const queue = new Queue(queueName, { connection })
  const flows = new FlowProducer({ connection })
  // Listens only for the workloads that await single outcomes.
  let listening: QueueEvents | undefined
  const events = async (): Promise<QueueEvents> => {
    if (listening === undefined) {
      listening = new QueueEvents(queueName, { connection })
      // Each of 10,000 callers who await listens on its own.
      listening.setMaxListeners(0)
      await listening.waitUntilReady()
    }
    return listening
  }
  await Promise.all([queue.waitUntilReady(), flows.waitUntilReady()])
  let submitted: Array<string> = []
  const remember = ({ id }: Job): void => void submitted.push(id!)

  serve<"producer">({
    enqueue: async ({ count, inFlight, results }) => {
      const opts = results === "dropped" ? { removeOnComplete: true } : {}
      if (inFlight === "bulk") {
        for (let from = 0; from < count; from += chunk.jobs) {
          const jobs = range(from, Math.min(count, from + chunk.jobs)).map((n) => ({ name: "noop", data: { n }, opts }))
          const added = await queue.addBulk(jobs)
          if (results === "kept") added.forEach(remember)
        }
        return
      }
      let n = 0
      const caller = async () => {
        while (n < count) remember(await queue.add("noop", { n: n++ }))
      }
      await Promise.all(Array.from({ length: inFlight }, caller))
    },
    flows: async ({ count }) => {
      for (let from = 0; from < count; from += chunk.flows) {
        const added = await flows.addBulk(range(from, Math.min(count, from + chunk.flows)).map(small))
        for (const { job } of added) remember(job)
      }
    },
    totals: async () => {
      const ids = submitted
      submitted = []
      let sum = 0
      for (let from = 0; from < ids.length; from += 100) {
        const jobs = await Promise.all(ids.slice(from, from + 100).map((id) => Job.fromId(queue, id)))
        for (const job of jobs) sum += job?.returnvalue as number
      }
      return { count: ids.length, sum }
    },
    graph: async ({ graph, size }): Promise<Answer> => {
      const listener = await events()
      const begin = performance.now()
      const { job } = await flows.add(graphOf(graph, size))
      const value = (await job.waitUntilFinished(listener)) as number
      return { value, millis: performance.now() - begin }
    },
    roundTrips: async ({ count }) => {
      const listener = await events()
      const times: Array<number> = []
      for (let n = 0; n < count; n++) {
        const begin = performance.now()
        const job = await queue.add("noop", { n })
        const value: unknown = await job.waitUntilFinished(listener)
        times.push(performance.now() - begin)
        if (value !== n) throw new Error(`the no-op of ${n} gave ${String(value)}`)
      }
      return times
    }
  })
}

// ---- worker ---------------------------------------------------------------------------------------------------------

const childrenOf = async (job: Job): Promise<ReadonlyArray<number>> =>
  Object.values(await job.getChildrenValues<number>())

const handle = async (job: Job<{ readonly n?: number }>): Promise<number> => {
  switch (job.name) {
    case "noop":
      return job.data.n!
    case "next":
      return (job.data.n ?? (await childrenOf(job))[0]!) + 1
    case "total":
      return (await childrenOf(job)).reduce((sum, n) => sum + n, 0)
    default:
      throw new Error(`no handler for ${job.name}`)
  }
}

const work = async (): Promise<void> => {
  let finished = 0
  let failure: Error | undefined
  let onFinished = (): void => {}

  const make = async (): Promise<Worker> => {
    const worker = new Worker(queueName, handle, { connection, autorun: false })
    worker.on("completed", () => {
      finished++
      onFinished()
    })
    worker.on("failed", (_, error) => {
      failure = error
      onFinished()
    })
    await worker.waitUntilReady()
    return worker
  }
  let worker = await make()

  serve<"worker">({
    run: async ({ concurrency }) => {
      finished = 0
      worker.concurrency = concurrency
      void worker.run()
    },
    done: ({ count }) =>
      new Promise((resolve, reject) => {
        onFinished = () => {
          if (failure !== undefined) reject(failure)
          else if (finished >= count) resolve(finished)
        }
        onFinished()
      }),
    halt: async () => {
      await worker.close()
      worker = await make()
    }
  })
}

await (role === "producer" ? produce() : work())
