/**
 * Everything that is wrong with a definition, gathered while it is compiled, so that it is reported at once.
 */
import type { Step } from "../definition/Step.ts"
import type { Problem } from "../Failure.ts"

export class Problems {
  readonly found: Array<Problem> = []

  /** `step` is a readable id, or the key of a flow. */
  add(step: string, message: string, site?: Step["site"]): void {
    this.found.push({ step, site, message })
  }
}

/** A path as one writes it: `input.image.sizes[2]`. */
export const inWords = (path: ReadonlyArray<string | number>): string =>
  path
    .map((key, i) =>
      typeof key === "number"
        ? `[${key}]`
        : key === "*"
          ? "[*]"
          : i === 0
            ? key
            : /^[\w$]+$/.test(key)
              ? `.${key}`
              : `[${JSON.stringify(key)}]`
    )
    .join("")

/** `a, b and c`. */
export const list = (words: ReadonlyArray<string>): string =>
  words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`
