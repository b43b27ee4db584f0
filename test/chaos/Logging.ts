/**
 * Warnings of the processes go to their stderr, one line each: a store that is away is what a campaign is about.
 */
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as References from "effect/References"

export const layer = Layer.mergeAll(
  Logger.layer([Logger.make(({ message }) => process.stderr.write(`${String(message).split("\n", 1)[0]}\n`))]),
  Layer.succeed(References.MinimumLogLevel, "Warn")
)
