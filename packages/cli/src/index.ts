/**
 * What the command line is made of, for programs that show runs or import recorded workflows themselves. The command
 * itself is `arpeggio`.
 */
export * as LiveView from "./LiveView.ts"
export * as Outcome from "./Outcome.ts"
export * as Trace from "./Trace.ts"
export * as WfFormat from "./WfFormat.ts"
