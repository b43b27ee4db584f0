/**
 * A step handed to a broker with an input from the command line: compiled, its input decoded, submitted.
 */
import type { Broker } from "@arpeggio/core/Broker"
import * as Client from "@arpeggio/core/Client"
import type { Compiled } from "@arpeggio/core/Plan"
import type * as Run from "@arpeggio/core/Run"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import { StoreUnavailable, WrongUse } from "./ExitCode.ts"
import * as Json from "./Json.ts"
import * as Module from "./Module.ts"

/** What is submitted. */
export interface Submission {
  readonly step: Module.AnyStep
  /** The input as JSON. */
  readonly input: unknown
  /** Whether somebody gave it. */
  readonly hasInput: boolean
  readonly id: string | undefined
}

/** Compiled and decoded: nothing of the user's is wrong any more. */
export interface Checked {
  readonly step: Module.AnyStep
  readonly compiled: Compiled
  readonly input: unknown
  readonly id: string | undefined
}

export const check = ({ step, id, ...given }: Submission): Effect.Effect<Checked, WrongUse> =>
  Effect.gen(function* () {
    const compiled = yield* Effect.fromResult(Module.compile(step))
    return { step, compiled, input: yield* decodeInput(step, given), id }
  })

export const submit = ({
  step,
  input,
  id
}: Checked): Effect.Effect<Run.Run<unknown, unknown>, WrongUse | StoreUnavailable, Broker> =>
  Effect.mapError(Client.submit(step, input as never, { id }), (error) => {
    switch (error._tag) {
      case "InvalidPlan":
        return new WrongUse({ reason: "InvalidPlan", message: error.message })
      case "DuplicateRun":
      case "InvalidRunId":
        return new WrongUse({ reason: error._tag, message: error.message })
      case "InvalidInput":
      case "PayloadTooLarge":
        return new WrongUse({ reason: "InputDoesNotFit", message: error.message })
      case "BrokerUnavailable":
        return new StoreUnavailable({ message: error.message })
    }
  })

const decodeInput = (
  step: Module.AnyStep,
  { input, hasInput }: Pick<Submission, "input" | "hasInput">
): Effect.Effect<unknown, WrongUse> =>
  Effect.mapError(
    Schema.decodeUnknownEffect(Schema.toCodecJson(step.input as Schema.Codec<unknown>), { errors: "all" })(input),
    (error) =>
      new WrongUse({
        reason: "InputDoesNotFit",
        message: `The input does not fit ${step.key}${hasInput ? "" : " (no --input was given, so it is {})"}:\n${issues(error.issue)}\nGive it with --input '{…}', --input @file or --input -.`
      })
  )

/** One line per issue: where, and what. */
const issues = (issue: SchemaIssue.Issue): string =>
  SchemaIssue.makeFormatterStandardSchemaV1()(issue)
    .issues.map(({ path, message }) => {
      const where = Json.formatPath(path?.map((key) => (typeof key === "object" ? key.key : key)) ?? [])
      return `  ${where === "" ? "the input" : where}: ${message}`
    })
    .join("\n")
