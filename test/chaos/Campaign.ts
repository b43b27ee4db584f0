/**
 * One campaign: a store, a fleet of processes, users, and a nemesis; then peace, until all runs have ended or patience is
 * over; then a roll call of the workers; then the verdict.
 */
import { Broker } from "@arpeggio/core/Broker"
import * as RedisBroker from "@arpeggio/broker-redis/RedisBroker"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Random } from "../../packages/core/test/simulation/Random.ts"
import * as Checker from "./Checker.ts"
import { Fleet } from "./Fleet.ts"
import * as Job from "./Job.ts"
import * as Ledger from "./Ledger.ts"
import * as Load from "./Load.ts"
import type * as Loss from "./Loss.ts"
import * as Nemesis from "./Nemesis.ts"
import * as Progress from "./Progress.ts"
import type { StoreSettings, WorkerSettings } from "./Settings.ts"
import * as Store from "./Store.ts"

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
  /** Default: one server. */
  readonly store?: (() => Promise<Store.Store>) | undefined
  /** Of the store. Default: 1. */
  readonly partitions?: number | undefined
  /** Ended runs that each partition keeps per state. Default: all. */
  readonly retention?: number | undefined
  readonly dose: Nemesis.Dose
  readonly log: (line: string) => void
  /** How often `log` hears how far it is, in milliseconds. Default: never. */
  readonly progressEvery?: number | undefined
}

export interface Outcome extends Checker.Verdict {
  readonly tally: Nemesis.Tally
  readonly losses: ReadonlyArray<Loss.Loss>
  readonly counts: Load.Counts
  /** Events seen, and how many deliveries they said were lost with workers. */
  readonly events: Load.Watch["events"]
  /** From the first submission to the last end, in milliseconds. */
  readonly took: number
  readonly complaints: ReadonlyArray<string>
  /** The file of the ledger, which is kept when the promise was broken. */
  readonly ledger: string | undefined
}

export const run = async (options: Options): Promise<Outcome> => {
  const directory = mkdtempSync(join(tmpdir(), "arpeggio-chaos-"))
  const ledger = join(directory, "ledger")
  Ledger.open(ledger).close()
  let isKept = false
  const remove = () => {
    if (!isKept) rmSync(directory, { recursive: true, force: true })
  }
  // Also when somebody stops it.
  process.once("exit", remove)
  const random = new Random(options.seed)
  const store = await (options.store ?? Store.alone)()
  const retention = options.retention ?? 2 * options.runs
  const settingsOf = (url: string): StoreSettings => ({
    url,
    namespace: "chaos:",
    partitions: options.partitions ?? 1,
    lease: options.lease,
    deadline: Math.max(1_000, options.lease / 2),
    maxDeliveries: 5,
    retention: { count: retention }
  })
  const stores = { direct: settingsOf(store.urls.direct), proxied: settingsOf(store.urls.proxied) }
  let places = 0
  const fleet = new Fleet((kind, name) => {
    const settings = { name, store: places++ % 2 === 0 ? stores.direct : stores.proxied }
    return kind === "worker"
      ? ({ ...settings, ledger, concurrency: options.concurrency } satisfies WorkerSettings)
      : settings
  })
  const losses: Array<Loss.Loss> = []
  const arena: Nemesis.Arena = {
    fleet,
    store,
    losses,
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
    const users = Load.make(jobs)
    const play = (users: Load.Users, window: number, peace: Effect.Effect<unknown>) =>
      Effect.runPromise(Load.play(users, { ...stores, losses, window, peace, patience: options.patience, retention }))
    const startedAt = Date.now()
    const stopProgress = Progress.report({ ...options, users, fleet, servers: store.servers, ledger, startedAt })
    const faults = Nemesis.unleash(arena, planned)
    const peace = Effect.promise(() => faults)
    await play(users, options.window, peace).finally(stopProgress)
    const tally = await faults
    const took = Math.max(...users.stories.map(({ told }) => told?.at ?? Date.now())) - startedAt

    // Before the roll call, whose runs take the place of these.
    const shown = await Effect.runPromise(show(users.stories, stores.direct))

    // Who is well must do its share now: a worker that has gone deaf would not.
    await fleet.isWhole()
    const muster = { names: fleet.alive("worker").map(({ name }) => name), at: Date.now() }
    const rollCall = Load.make(Job.rollCall(4 * options.workers * options.concurrency))
    await play(rollCall, 0, Effect.void)

    const shownLast = await Effect.runPromise(show(rollCall.stories, stores.direct))
    const { figures, violations } = Checker.check({
      users: { ...users, stories: [...users.stories, ...rollCall.stories] },
      entries: Ledger.read(ledger),
      members: fleet.members,
      muster,
      losses,
      shown: new Map([...shown, ...shownLast]),
      concurrency: options.concurrency
    })
    isKept = violations.length > 0
    return {
      violations,
      figures,
      tally,
      losses,
      counts: users.counts,
      events: users.watch.events,
      took,
      complaints: fleet.complaints,
      ledger: isKept ? ledger : undefined
    }
  } finally {
    await fleet.dismiss()
    await store.stop()
    process.off("exit", remove)
    remove()
  }
}

/** Runs as the store shows them now. */
const show = (stories: ReadonlyArray<Load.Story>, store: StoreSettings) =>
  Effect.gen(function* () {
    const broker = yield* Broker
    const shown = new Map<string, Checker.Shown>()
    const look = (id: string) =>
      Effect.all({ view: broker.run(id), nodes: broker.nodes(id, { limit: 10_000 }) }).pipe(
        Effect.map((run) => void shown.set(id, run))
      )
    yield* Effect.forEach(
      stories.filter(({ isRemoved }) => !isRemoved),
      (story) =>
        Effect.catchCause(look(story.job.id), (cause) =>
          Effect.sync(() => {
            // What was submitted once more has ended since, and may have taken its place.
            if (story.isOld && Load.isOfUnknown(cause)) story.isRemoved = true
            else story.trouble ??= `the store can't show it: ${Cause.pretty(cause)}`
          })
        ),
      { concurrency: 20, discard: true }
    )
    return shown
  }).pipe(Effect.provide(RedisBroker.layer(store)))
