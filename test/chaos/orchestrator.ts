/**
 * The process of an orchestrator: `node orchestrator.ts '<settings as JSON>'`. Says `ready` once it has a store.
 */
import * as Orchestrator from "@arpeggio/core/Orchestrator"
import * as RedisBroker from "@arpeggio/broker-redis/RedisBroker"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logging from "./Logging.ts"
import type { ProcessSettings } from "./Settings.ts"

const { store } = JSON.parse(process.argv[2]!) as ProcessSettings

const announced = Layer.effectDiscard(Effect.sync(() => process.stdout.write("ready\n")))

// Whatever becomes of the campaign, its processes end with it.
process.stdin.resume().once("end", () => process.exit(1))

NodeRuntime.runMain(
  Layer.launch(
    announced.pipe(
      Layer.provide(Orchestrator.layer({ interval: "250 millis" })),
      Layer.provide(RedisBroker.layer(store)),
      Layer.provide(Logging.layer)
    )
  )
)
