/**
 * A recorded failure in words: a failure of the engine has a sentence, an error that a task declares is shown as it is.
 */
import type { Failed } from "@arpeggio/core/Broker"
import { StepFailure } from "@arpeggio/core/Failure"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

const decode = Schema.decodeUnknownOption(Schema.toCodecJson(StepFailure))

/** All there is to say, for a defect with its cause and stack. */
export const whole = (failed: Failed): string => {
  const known = decodeKnown(failed)
  if (known?._tag !== "Defect") return brief(failed)
  const isOpen = known.summary.includes("Service not found")
  const hint =
    "The layer of handlers is not closed: provide the service there, export default handlers.pipe(Layer.provide(…))."
  return [known.message, known.cause, ...(isOpen ? [hint] : [])].join("\n")
}

/** In one line. */
export const brief = (failed: Failed): string => {
  const known = decodeKnown(failed)
  if (known !== undefined) return known.message
  return `${failed.tag === "" ? "" : `${failed.tag} `}${JSON.stringify(JSON.parse(failed.error), withoutTag(failed.tag))}`
}

const decodeKnown = ({ declared, error }: Failed): StepFailure | undefined =>
  declared ? undefined : Option.getOrUndefined(decode(JSON.parse(error)))

/** The tag stands before the error already. */
const withoutTag = (tag: string) => (key: string, value: unknown) =>
  key === "_tag" && value === tag ? undefined : value
