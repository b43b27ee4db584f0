/**
 * What every command understands: `--json` and `--no-color`; and what commands refuse in the same words.
 */
import * as Effect from "effect/Effect"
import * as Flag from "effect/cli/Flag"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as Option from "effect/Option"

export const Json = GlobalFlag.Setting("json")({
  flag: Flag.Boolean("json").pipe(
    Flag.withDescription("Print one JSON document on standard output, and errors as JSON on standard error"),
    Flag.withDefault(false)
  )
})

const Color = GlobalFlag.Setting("color")({
  flag: Flag.Boolean("color").pipe(
    Flag.withDescription("Colours, or none with --no-color (default: on a terminal, unless NO_COLOR is set)"),
    Flag.optional
  )
})

export const flags = [Json, Color] as const

/** Refuses a number that is less. */
export const atLeast = (least: number): ((flag: Flag.Flag<number>) => Flag.Flag<number>) =>
  Flag.filter(
    (n) => n >= least,
    (n) => `Expected: at least ${least}, and it is ${n}`
  )

/** Whether to write in colour to a stream. */
export const color = (stream: { readonly isTTY?: boolean | undefined }) =>
  Effect.map(Color, (chosen) => Option.getOrElse(chosen, () => byDefault(stream)))

const byDefault = (stream: { readonly isTTY?: boolean | undefined }): boolean => {
  const { NO_COLOR, FORCE_COLOR, TERM } = process.env
  if (NO_COLOR !== undefined && NO_COLOR !== "") return false
  if (FORCE_COLOR !== undefined && FORCE_COLOR !== "" && FORCE_COLOR !== "0") return true
  return stream.isTTY === true && TERM !== "dumb"
}
