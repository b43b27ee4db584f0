/**
 * One campaign: a store, a fleet of processes, users, and a nemesis; then peace, until all runs have ended or the deadline
 * has passed; then the verdict.
 */
import { Broker } from "@arpeggio/core/Broker"
import * as RedisBroker from "@arpeggio/broker-redis/RedisBroker"
import * as Effect from "effect/Effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Random } from "../../packages/core/test/simulation/Random.ts"
import * as RedisServer from "../../packages/broker-redis/test/RedisServer.ts"
import * as TcpProxy from "../../packages/broker-redis/test/TcpProxy.ts"
import * as Checker from "./Checker.ts"
import { Fleet } from "./Fleet.ts"
import * as Job from "./Job.ts"
import * as Ledger from "./Ledger.ts"
import * as Load from "./Load.ts"
import * as Nemesis from "./Nemesis.ts"
import type { StoreSettings, WorkerSettings } from "./Settings.ts"

export interface Options {
  readonly seed: number
  readonly runs: number
  /** Of those, how many kill the worker that takes them. */
  readonly poisons: number
  /** Runs of this shape only. Default: all shapes. */
  readonly shape?: Job.ShapeName | undefined
  /** How long runs are submitted and faults come, in milliseconds. */
  readonly window: number
  /** How long all runs may take to end after that: a bound on hanging, not on speed. Milliseconds. */
  readonly patience: number
  readonly workers: number
  readonly orchestrators: number
  readonly concurrency: number
  /** Milliseconds. */
  readonly lease: number
  readonly dose: Nemesis.Dose
  readonly log: (line: string) => void
}

export interface Outcome extends Checker.Verdict {
  readonly tally: Nemesis.Tally
  readonly counts: Load.Counts
  /** Events seen, and how many deliveries they said were lost with workers. */
  readonly events: Load.Watch["events"]
  /** From the first submission to the last end, in milliseconds. */
  readonly took: number
  readonly complaints: ReadonlyArray<string>
}

export const run = async (options: Options): Promise<Outcome> => {
  const directory = mkdtempSync(join(tmpdir(), "arpeggio-chaos-"))
  const ledger = join(directory, "ledger")
  Ledger.open(ledger).close()
  const random = new Random(options.seed)
  const server = await RedisServer.startOwn("everything")
  const proxy = await TcpProxy.start(server.port)
  const store = (url: string): StoreSettings => ({
    url,
    namespace: "chaos:",
    lease: options.lease,
    deadline: Math.max(1_000, options.lease / 2),
    maxDeliveries: 5
  })
  let places = 0
  const fleet = new Fleet((kind, name) => {
    const settings = { name, store: store(places++ % 2 === 0 ? server.url : proxy.url) }
    return kind === "worker"
      ? ({ ...settings, ledger, concurrency: options.concurrency } satisfies WorkerSettings)
      : settings
  })
  const arena: Nemesis.Arena = {
    fleet,
    server,
    proxy,
    lease: options.lease,
    log: options.log,
    random: new Random(random.bits())
  }
  try {
    await Promise.all([
      ...Array.from({ length: options.workers }, () => fleet.add("worker")),
      ...Array.from({ length: options.orchestrators }, () => fleet.add("orchestrator"))
    ])
    const jobs = Job.make(random.bits(), options.runs, options.poisons, options.shape)
    const planned = Nemesis.plan(random, options.dose, options.window)
    const startedAt = Date.now()
    const [users, tally] = await Promise.all([
      Effect.runPromise(
        Load.play(jobs, {
          direct: store(server.url),
          proxied: store(proxy.url),
          window: options.window,
          deadline: options.window + options.patience
        })
      ),
      Nemesis.unleash(arena, planned)
    ])
    const took = Math.max(...users.stories.map(({ endedAt }) => endedAt ?? Date.now())) - startedAt
    const shown = await Effect.runPromise(show(jobs, store(server.url)))
    const { figures, violations } = Checker.check({
      users,
      entries: Ledger.read(ledger),
      members: fleet.members,
      shown,
      concurrency: options.concurrency
    })
    return {
      violations,
      figures,
      tally,
      counts: users.counts,
      events: users.watch.events,
      took,
      complaints: fleet.complaints
    }
  } finally {
    await fleet.dismiss()
    await proxy.stop()
    await server.stop()
    rmSync(directory, { recursive: true, force: true })
  }
}

/** All runs as the store shows them now. */
const show = (jobs: ReadonlyArray<Job.Job>, store: StoreSettings) =>
  Effect.gen(function* () {
    const broker = yield* Broker
    const shown = new Map<string, Checker.Shown>()
    for (const { id } of jobs) {
      const view = yield* Effect.option(broker.run(id))
      if (view._tag === "None") continue
      shown.set(id, { view: view.value, nodes: yield* broker.nodes(id, { limit: 10_000 }) })
    }
    return shown
  }).pipe(Effect.provide(RedisBroker.layer(store)))
