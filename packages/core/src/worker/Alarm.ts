/**
 * For one who waits until the earliest of the times that anybody sets, meanwhile too.
 */
import type { Clock } from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"

export class Alarm {
  readonly #clock: Clock
  readonly #changed = Latch.makeUnsafe(false)
  #at = Infinity

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Rings in so many milliseconds, unless it rings before. */
  set(millis: number): void {
    const at = this.#clock.currentTimeMillisUnsafe() + millis
    if (at >= this.#at) return
    this.#at = at
    this.#changed.openUnsafe()
  }

  /** Waits until it rings, but for `least` milliseconds at least and `most` at most; says whether it has rung. */
  wait(least: number, most: number): Effect.Effect<boolean> {
    return Effect.gen({ self: this }, function* () {
      const begin = this.#clock.currentTimeMillisUnsafe()
      for (;;) {
        this.#changed.closeUnsafe()
        const now = this.#clock.currentTimeMillisUnsafe()
        // Whole milliseconds: a clock that counts in them never comes to what lies between.
        const until = Math.ceil(Math.max(begin + least, Math.min(this.#at, begin + most)))
        if (now >= until) break
        yield* Effect.raceFirst(Effect.sleep(until - now), this.#changed.await)
      }
      const hasRung = this.#at <= this.#clock.currentTimeMillisUnsafe()
      this.#at = Infinity
      return hasRung
    })
  }
}
