import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Settings from "../Settings.ts"
import * as Store from "../Store.ts"
import { lease, stallBudget } from "./Lease.ts"
import { concurrency } from "./Run.ts"

const module = Argument.String("module").pipe(
  Argument.withDescription("A .ts or .js file whose default export is the layer of handlers")
)

const queues = Flag.String("queues").pipe(
  Flag.withMetavar("a,b"),
  Flag.map((text) =>
    text
      .split(",")
      .map((queue) => queue.trim())
      .filter((queue) => queue !== "")
  ),
  Flag.filter(
    (queues) => queues.length > 0,
    () => "Expected: names of queues with commas between them"
  ),
  Flag.withDescription("The queues it takes from (default: default, and those its tasks name)"),
  Flag.optional
)

const sweep = Flag.Boolean("sweep").pipe(
  Flag.withDescription("Sweep too, so that no orchestrator is needed; --no-sweep leaves that to others"),
  Flag.withDefault(true)
)

export const command = Command.make(
  "worker",
  { module, ...Store.founding, queues, concurrency, lease, stallBudget, sweep },
  (flags) =>
    Effect.gen(function* () {
      const json = yield* Settings.Json
      const store = yield* Effect.fromResult(Store.named(flags))
      const [Module, WorkerProcess, Execution] = yield* Effect.promise(() =>
        Promise.all([import("../Module.ts"), import("../WorkerProcess.ts"), import("../Execution.ts")])
      )
      yield* Execution.printToStderr
      const module = yield* Module.load(Module.parseAddress(flags.module))
      const options = {
        handlers: yield* Effect.fromResult(Module.handlers(module)),
        source: module.path,
        store,
        queues: Option.getOrUndefined(flags.queues),
        concurrency: flags.concurrency,
        sweep: flags.sweep,
        json
      }
      yield* Store.serve(store, json, WorkerProcess.run(options))
    }).pipe(Effect.scoped)
).pipe(
  Command.withDescription(
    "Runs the handlers of a module on work from a Redis, until it is stopped. Start any number, on any machine. Ctrl-C or SIGTERM: it claims nothing more and waits up to 20 s for what runs; what does not end is given back to others. A second one gives everything back at once. Prints how it goes every 10 s when something has changed; --json prints one JSON object per line. Exit code: 0 stopped, 2 wrong use or module, 3 the store can't be used, 130 stopped at once."
  ),
  Command.withShortDescription("Run handlers on work from a Redis"),
  Command.withExamples([
    { command: "arpeggio worker ./worker.ts --redis redis://localhost:6379", description: "All its tasks, 10 at once" },
    {
      command: "arpeggio worker ./worker.ts --queues images --concurrency 4",
      description: "One queue, of the Redis that ARPEGGIO_REDIS_URL names"
    }
  ])
)
