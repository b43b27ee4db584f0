/**
 * The Redis broker of Arpeggio: `RedisBroker.layer({ url })` is the `Broker` of `@arpeggio/core` over Redis 7 or Valkey 7.2
 * and later, where each transition of a run is one Lua function.
 */
export * as RedisBroker from "./RedisBroker.ts"
