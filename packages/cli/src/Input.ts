/**
 * The value of `--input`: JSON as it is, `@file`, or `-` for standard input.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { readFile } from "node:fs/promises"
import { text } from "node:stream/consumers"
import { WrongUse } from "./ExitCode.ts"
import * as Json from "./Json.ts"

/** Reads the JSON value an `--input` names. Without one it is `{}`: a flow without fields needs no input. */
export const read = Effect.fnUntraced(function* (source: string | undefined): Effect.fn.Return<unknown, WrongUse> {
  if (source === undefined) return {}
  const content =
    source === "-"
      ? yield* fetch("standard input", () => text(process.stdin))
      : source.startsWith("@")
        ? yield* fetch(source.slice(1), () => readFile(source.slice(1), "utf8"))
        : source
  const json = Json.parse(content)
  if (Result.isSuccess(json)) return json.success
  const where = source === "-" ? "Standard input" : source.startsWith("@") ? source.slice(1) : "--input"
  const quotes =
    source === content && !/["\d[{]/.test(source) ? " Quote it for your shell: --input '{\"key\": 1}'." : ""
  return yield* new WrongUse({
    reason: "InputNotJson",
    message: `${where} is not JSON: ${Json.format(json.failure)}.${quotes} Give JSON, @file, or - for standard input.`
  })
})

const fetch = (name: string, read: () => Promise<string>): Effect.Effect<string, WrongUse> =>
  Effect.tryPromise({
    try: read,
    catch: (error) =>
      new WrongUse({
        reason: "InputNotRead",
        message: `The input can't be read from ${name}: ${error instanceof Error ? error.message : String(error)}. Give a file that exists, or the JSON itself.`
      })
  })
