/**
 * Loads each `module#name` it is given as arguments, and prints a JSON array of what is wrong with each, or `null`. A plain
 * process, since errors of loading are Node's own.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Module from "@arpeggio/cli/Module"

const explain = (typed: string) =>
  Effect.gen(function* () {
    const address = Module.parseAddress(typed)
    const module = yield* Module.load(address)
    yield* Effect.fromResult(Module.step(module, address.name))
    yield* Effect.fromResult(Module.handlers(module))
  }).pipe(Effect.result, Effect.map(Result.match({ onSuccess: () => null, onFailure: (error) => error.message })))

const messages = await Effect.runPromise(Effect.forEach(process.argv.slice(2), explain))
process.stdout.write(JSON.stringify(messages))
