import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Settings from "../Settings.ts"
import * as Store from "../Store.ts"
import { run } from "./Show.ts"

const from = Flag.String("from").pipe(
  Flag.withMetavar("node"),
  Flag.withDescription(
    "Run this node and all that depends on it again, whatever became of it: resize, or each[3].resize in a forEach (default: what failed and was not handled)"
  ),
  Flag.optional
)

export const command = Command.make("retry", { run, from, ...Store.flags }, (flags) =>
  Effect.gen(function* () {
    const json = yield* Settings.Json
    const store = yield* Effect.fromResult(Store.named(flags))
    const Client = yield* Effect.promise(() => import("@arpeggio/core/Client"))
    const retry = Client.retry(flags.run, { from: Option.getOrUndefined(flags.from) })
    const { generation } = yield* Store.withBroker(store, json, retry)
    process.stdout.write(
      json
        ? `${JSON.stringify({ run: flags.run, generation })}\n`
        : `Run ${flags.run} runs again, in generation ${generation}.\nWatch it:  arpeggio watch ${flags.run}${store.flags}\n`
    )
  })
).pipe(
  Command.withDescription(
    "Runs again what failed in a run that has ended, and what depends on it; what succeeded is kept. With --from, a node of your choice."
  ),
  Command.withShortDescription("Run what failed again"),
  Command.withExamples([
    { command: "arpeggio retry thumb-42", description: "What failed" },
    { command: "arpeggio retry thumb-42 --from publish", description: "That node, and what depends on it" }
  ])
)
