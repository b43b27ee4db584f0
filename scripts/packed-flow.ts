/**
 * A flow on the memory broker, as somebody writes it who has installed the packages and has never seen the repository.
 */
import * as Client from "@arpeggio/core/Client"
import * as Flow from "@arpeggio/core/Flow"
import * as MemoryBroker from "@arpeggio/core/MemoryBroker"
import * as Task from "@arpeggio/core/Task"
import * as Worker from "@arpeggio/core/Worker"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as assert from "node:assert/strict"

const square = Task.make("square", { input: Schema.Int, output: Schema.Int })
const sum = Task.make("sum", { input: Schema.Array(Schema.Int), output: Schema.Int })

const sumOfSquares = Flow.make(
  "sumOfSquares",
  { input: Schema.Struct({ numbers: Schema.Array(Schema.Int) }) },
  (input) => sum(Flow.forEach(input.numbers, (n) => square(n)))
)

const handlers = Layer.mergeAll(
  square.toLayer((n) => Effect.succeed(n * n)),
  sum.toLayer(async (numbers) => numbers.reduce((a, b) => a + b, 0))
)

const app = Worker.layer({ tasks: [square, sum] }).pipe(
  Layer.provide(handlers),
  Layer.provideMerge(MemoryBroker.layer())
)

const value = await Effect.runPromise(Client.execute(sumOfSquares, { numbers: [1, 2, 3, 4] }).pipe(Effect.provide(app)))
assert.equal(value, 30)

// The index of each package loads with what is packed: every module it names, and files beside the code.
await Promise.all(["@arpeggio/broker-redis", "@arpeggio/cli", "@arpeggio/core"].map((name) => import(name)))

console.log(`sumOfSquares([1, 2, 3, 4]) = ${value}`)
