/**
 * The process of a worker: `node worker.ts '<settings as JSON>'`. Says `ready` once it is registered.
 */
import { Broker } from "@arpeggio/core/Broker"
import * as Worker from "@arpeggio/core/Worker"
import * as RedisBroker from "@arpeggio/broker-redis/RedisBroker"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Ledger from "./Ledger.ts"
import * as Logging from "./Logging.ts"
import type { WorkerSettings } from "./Settings.ts"
import * as Work from "./Work.ts"

const { concurrency, ledger: file, name, store } = JSON.parse(process.argv[2]!) as WorkerSettings
const ledger = Ledger.open(file)

/** The broker as it is, with a record of what it said. */
const recording = (broker: Broker["Service"]): Broker["Service"] => {
  let isAway = false
  /** By nonce. */
  const generations = new Map<string, number>()
  const noted = <A, E>(call: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    call.pipe(
      Effect.tap(() =>
        Effect.sync(() => {
          if (isAway) ledger.append(["back", name, Date.now()])
          isAway = false
        })
      ),
      Effect.tapError(() =>
        Effect.sync(() => {
          if (!isAway) ledger.append(["away", name, Date.now()])
          isAway = true
        })
      )
    )
  return {
    ...broker,
    settle: (settle) =>
      Effect.suspend(() => {
        const sentAt = Date.now()
        return Effect.map(noted(broker.settle(settle)), (settled) => {
          const at = Date.now()
          settled.receipts.forEach((receipt, i) => {
            const { attempt, node, nonce, run } = settle.settlements[i]!
            ledger.append([receipt, name, at, run, node, Ledger.attemptOf(generations.get(nonce)!, attempt), sentAt])
            generations.delete(nonce)
          })
          for (const { attempt, fence, generation, lost, node, nonce, run } of settled.deliveries) {
            generations.set(nonce, generation)
            ledger.append(["claim", name, at, run, node, Ledger.attemptOf(generation, attempt), lost, sentAt, fence])
          }
          if (settled.unknown) ledger.append(["forgotten", name, at])
          return settled
        })
      }),
    renew: (worker, holding) =>
      Effect.map(noted(broker.renew(worker, holding)), (renewed) => {
        if (renewed.lost.length > 0) ledger.append(["dropped", name, Date.now(), renewed.lost.length])
        if (renewed.unknown) ledger.append(["forgotten", name, Date.now()])
        return renewed
      })
  }
}

const recorded = Layer.effect(Broker, Effect.map(Broker, recording)).pipe(Layer.provide(RedisBroker.layer(store)))

const worker = Worker.layer({
  tasks: Work.tasks,
  concurrency,
  pollInterval: "500 millis",
  sweepInterval: "500 millis",
  shutdownTimeout: "200 millis",
  host: name
}).pipe(Layer.provide(Work.handlers(ledger, name)), Layer.provide(recorded))

/** Provided to the worker, so it is said after the worker has given back what it held. */
const lastWords = Layer.effectDiscard(
  Effect.acquireRelease(Effect.void, () => Effect.sync(() => ledger.append(["down", name, Date.now()])))
)

const announced = Layer.effectDiscard(
  Effect.sync(() => {
    ledger.append(["up", name, Date.now()])
    process.stdout.write("ready\n")
  })
)

// Whatever becomes of the campaign, its processes end with it.
process.stdin.resume().once("end", () => process.exit(1))

NodeRuntime.runMain(
  Layer.launch(announced.pipe(Layer.provide(worker), Layer.provide(lastWords), Layer.provide(Logging.layer)))
)
