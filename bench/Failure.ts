import * as Data from "effect/Data"

/** The benchmark, or one measurement of it, could not be made: what happened, and the way out. */
export class BenchFailure extends Data.TaggedError("BenchFailure")<{ readonly message: string }> {}

export const because =
  (what: string) =>
  (cause: unknown): BenchFailure =>
    new BenchFailure({ message: `${what}: ${cause instanceof Error ? cause.message : String(cause)}` })
