/**
 * The process of a worker whose handlers take as long as the test wants: `node LeaseWorker.ts '<settings as JSON>'`. They
 * wait for a file, the gate of this worker; all processes append what happens to one log, so that it has an order.
 */
import * as Attempt from "@arpeggio/core/Attempt"
import { LeaseLost } from "@arpeggio/core/Failure"
import * as Task from "@arpeggio/core/Task"
import * as Worker from "@arpeggio/core/Worker"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { appendFileSync, existsSync } from "node:fs"
import * as RedisBroker from "../src/RedisBroker.ts"

export interface Settings {
  readonly name: string
  readonly url: string
  readonly namespace: string
  readonly lease: number
  readonly stallBudget: number
  readonly gate: string
  readonly log: string
}

/** What a process appends to the log: a line of JSON each. */
export type Line =
  | { readonly worker: string; readonly what: "ready" | "started" | "ended" }
  | { readonly worker: string; readonly what: "interrupted"; readonly reason: string }
  | { readonly worker: string; readonly what: "stats"; readonly stats: Worker.Stats }

/** `wait` lets go of the event loop meanwhile, `block` does not. Gives the name of the worker. */
export const task = Task.make("task", { input: Schema.Literals(["wait", "block"]), output: Schema.String })

const main = ({ gate, lease, log, name, namespace, stallBudget, url }: Settings) => {
  const append = (line: Line) => appendFileSync(log, `${JSON.stringify(line)}\n`)
  const parent = process.ppid
  const cell = new Int32Array(new SharedArrayBuffer(4))

  const handlers = task.toLayer((how) =>
    Effect.gen(function* () {
      const attempt = yield* Attempt.Attempt
      append({ worker: name, what: "started" })
      if (how === "block") {
        while (!existsSync(gate)) {
          Atomics.wait(cell, 0, 0, 10)
          if (process.ppid !== parent) process.exit(1)
        }
      }
      const opened = Effect.sync(() => existsSync(gate))
      yield* Effect.onInterrupt(Effect.repeat(Effect.delay(opened, 10), { until: (isOpen) => isOpen }), () =>
        Effect.sync(() => {
          const { reason } = attempt.signal
          append({
            worker: name,
            what: "interrupted",
            reason: reason instanceof LeaseLost ? reason._tag : String(reason)
          })
        })
      ).pipe(Effect.when(Effect.succeed(how === "wait")))
      append({ worker: name, what: "ended" })
      return name
    })
  )

  const reporting = Layer.effectDiscard(
    Effect.gen(function* () {
      const worker = yield* Worker.Worker
      append({ worker: name, what: "ready" })
      const report = Effect.map(worker.stats, (stats) => append({ worker: name, what: "stats", stats }))
      yield* Effect.forkScoped(Effect.forever(Effect.delay(report, 50)))
    })
  )

  // Whatever becomes of the test, its processes end with it; a blocked one looks for itself.
  process.stdin.resume().once("end", () => process.exit(1))

  Effect.runFork(
    Layer.launch(
      reporting.pipe(
        Layer.provide(Worker.layer({ tasks: [task], pollInterval: 100, sweepInterval: 100, host: name })),
        Layer.provide(handlers),
        Layer.provide(RedisBroker.layer({ url, namespace, lease, stallBudget, deadline: 500 }))
      )
    )
  )
}

if (process.argv[1] === import.meta.filename) main(JSON.parse(process.argv[2]!) as Settings)
