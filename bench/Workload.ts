/**
 * A workload: what a peer does in its turn, and the figures that gives. Each checks its results and fails when one is wrong.
 */
import type * as Effect from "effect/Effect"
import type { BenchFailure } from "./Failure.ts"
import type { Figure } from "./Figure.ts"
import type { Session } from "./Session.ts"

export interface Workload {
  readonly id: string
  readonly title: string
  readonly run: (session: Session) => Effect.Effect<ReadonlyArray<Figure>, BenchFailure>
}
