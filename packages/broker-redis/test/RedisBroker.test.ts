import * as BrokerSuite from "@arpeggio/core/testing/BrokerSuite"
import * as Effect from "effect/Effect"
import { afterAll, beforeAll, describe, it } from "vitest"
import * as RedisBroker from "../src/RedisBroker.ts"
import * as RedisServer from "./RedisServer.ts"

let server: RedisServer.RedisServer
beforeAll(async () => {
  server = await RedisServer.start()
}, 120_000)
afterAll(() => server.stop())

let stores = 0

BrokerSuite.register(
  { describe, it: (name, test) => it.concurrent(name, test, 30_000) },
  {
    name: "RedisBroker",
    layer: (settings) =>
      RedisBroker.layer({ ...settings, url: server.url, namespace: `suite-${process.pid}-${stores++}:` }),
    passTime: (millis) => Effect.sleep(millis),
    unit: 200
  }
)
