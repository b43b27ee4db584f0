/**
 * The recorded panorama as a module for the command line:
 * `arpeggio run examples/trace-replay/worker.ts#replay --input '{"scale": 0.01}'`.
 */
import * as Trace from "@arpeggio/cli/Trace"
import * as WfFormat from "@arpeggio/cli/WfFormat"
import * as Result from "effect/Result"
import { readFileSync } from "node:fs"

const text = readFileSync(new URL("trace.json", import.meta.url), "utf8")

export const trace = Result.getOrThrow(WfFormat.parse(text))

const { flow, handlers } = Trace.toFlow(trace)

export const replay = flow
export default handlers
