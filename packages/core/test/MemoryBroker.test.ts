import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import { describe, it } from "vitest"
import * as MemoryBroker from "@arpeggio/core/MemoryBroker"
import * as BrokerSuite from "@arpeggio/core/testing/BrokerSuite"

BrokerSuite.register(
  { describe, it },
  {
    name: "MemoryBroker",
    layer: (settings) => MemoryBroker.layer(settings).pipe(Layer.provideMerge(TestClock.layer())),
    passTime: TestClock.adjust
  }
)
