/**
 * JSON text to a value, with the place where it stops being JSON.
 */
import * as Result from "effect/Result"

/** What is wrong with a text that should be JSON, and where. Lines and columns count from 1. */
export interface NotJson {
  readonly line: number
  readonly column: number
  readonly reason: string
}

/** `line 3, column 14: Unexpected token '}'`. */
export const format = (problem: NotJson): string => `line ${problem.line}, column ${problem.column}: ${problem.reason}`

export const parse = (text: string): Result.Result<unknown, NotJson> => {
  try {
    // A byte order mark is not JSON, and editors put it there unasked.
    return Result.succeed(JSON.parse(text.startsWith("\uFEFF") ? text.slice(1) : text))
  } catch (error) {
    return Result.fail(locate(text, error instanceof Error ? error.message : String(error)))
  }
}

const locate = (text: string, message: string): NotJson => {
  const reason = text.trim() === "" ? "the text is empty" : reasonOf(message)
  const before = text.slice(0, offsetOf(text, message)).split("\n")
  return { line: before.length, column: before[before.length - 1]!.length + 1, reason }
}

/** The reason without the place and without the excerpt of the text that V8 may add. */
const reasonOf = (message: string): string =>
  message
    .replace(/ at position \d+.*$/s, "")
    .replace(/, (?:\.\.\.)?".*$/s, "")
    .replace(/ (?:in|of) JSON(?: input)?$/, "")

/**
 * V8 says the place for most mistakes, but not for a token that it does not expect. Then it is where the shortest
 * beginning ends that is wrong otherwise than by ending.
 */
const offsetOf = (text: string, message: string): number => {
  const place = /at position (\d+)/.exec(message)
  if (place !== null) return Number(place[1])
  let good = 0
  let bad = text.length + 1
  while (bad - good > 1) {
    const middle = (good + bad) >> 1
    if (endsTooEarly(text.slice(0, middle))) good = middle
    else bad = middle
  }
  return good
}

const endsTooEarly = (text: string): boolean => {
  try {
    JSON.parse(text)
    return true
  } catch (error) {
    const message = String(error)
    const place = /at position (\d+)/.exec(message)
    return place === null ? message.includes("Unexpected end") : Number(place[1]) === text.length
  }
}

/** A path in a JSON value as people write it: `tasks[3].parents[0]`. */
export const formatPath = (path: ReadonlyArray<PropertyKey>): string =>
  path
    .map((key, i) =>
      typeof key === "number"
        ? `[${key}]`
        : /^[\p{L}_$][\p{L}\p{N}_$]*$/u.test(String(key))
          ? `${i === 0 ? "" : "."}${String(key)}`
          : `[${JSON.stringify(String(key))}]`
    )
    .join("")
