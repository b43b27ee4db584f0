import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Broker } from "../../Broker.ts"
import type { Body } from "./Case.ts"
import { equal, group } from "./Case.ts"

const verbs: {
  readonly [verb: string]: (broker: Broker["Service"]) => Effect.Effect<unknown, { readonly _tag: string }>
} = {
  cancel: (broker) => broker.cancel("nobody"),
  retry: (broker) => broker.retry("nobody"),
  read: (broker) => broker.read("nobody", ["0"]),
  await: (broker) => broker.await("nobody"),
  run: (broker) => broker.run("nobody"),
  nodes: (broker) => broker.nodes("nobody", { limit: 10 }),
  events: (broker) => Stream.runDrain(broker.events("nobody"))
}

const refuses = (verb: keyof typeof verbs): Body =>
  function* (rig) {
    const error = yield* Effect.flip(verbs[verb]!(rig.broker))
    equal([error._tag, (error as { run?: string }).run], ["RunNotFound", "nobody"])
  }

export const unknownRuns = group(
  "a run nobody submitted",
  Object.fromEntries(Object.keys(verbs).map((verb) => [`is refused by \`${verb}\``, refuses(verb)]))
)
