/**
 * Two brokers that are told the same, and what they were told so far.
 */
import * as Effect from "effect/Effect"
import { deepStrictEqual } from "node:assert/strict"
import type { Broker } from "../../Broker.ts"

/** What each of the two has or says. */
export interface Pair<A> {
  readonly left: A
  readonly right: A
}

export type Side = keyof Pair<unknown>

export class Brokers {
  readonly left: Broker["Service"]
  readonly right: Broker["Service"]
  readonly #story: Array<string> = []

  constructor({ left, right }: Pair<Broker["Service"]>) {
    this.left = left
    this.right = right
  }

  /** Adds a sentence to the story. */
  note(sentence: string): void {
    this.#story.push(sentence)
  }

  /** Adds a sentence to the story and does with both what it says. */
  tell<A, E>(
    sentence: string,
    act: (broker: Broker["Service"], side: Side) => Effect.Effect<A, E>
  ): Effect.Effect<Pair<A>, E> {
    this.note(sentence)
    return this.ask(act)
  }

  /** Asks both what is no part of the story. */
  ask<A, E>(act: (broker: Broker["Service"], side: Side) => Effect.Effect<A, E>): Effect.Effect<Pair<A>, E> {
    return Effect.all({ left: act(this.left, "left"), right: act(this.right, "right") })
  }

  /** Throws an `AssertionError` with the story when what is `seen` of their answers differs: all of them, if nothing is said. */
  agree<A>({ left, right }: Pair<A>, seen: (answer: A, side: Side) => unknown = (answer) => answer): void {
    try {
      deepStrictEqual(seen(right, "right"), seen(left, "left"))
    } catch (error) {
      if (error instanceof Error)
        error.message = `The brokers do not agree after\n${this.#story.map((line, i) => `${i + 1}. ${line}`).join("\n")}\n\n${error.message}`
      throw error
    }
  }
}
