/**
 * How a drawing looks: its characters, and the run whose state it shows.
 */
import type { RunView } from "../Broker.ts"
import type { Phase } from "../Phase.ts"
import type { Glyphs } from "./Glyphs.ts"
import { span } from "./Ink.ts"
import type { Ink, Span } from "./Ink.ts"
import type { PictureNode } from "./Picture.ts"
import * as Progress from "./Progress.ts"

/** A run to draw, and which picture of an animation this is. */
export interface Live {
  readonly run: RunView
  /** Counted up by the caller from one repaint to the next. */
  readonly frame: number
}

export interface Style {
  readonly glyphs: Glyphs
  readonly live: Live | undefined
}

const inks: { readonly [phase in Phase]: Ink } = {
  blocked: "faint",
  ready: "plain",
  running: "busy",
  scheduled: "wait",
  succeeded: "good",
  failed: "bad",
  skipped: "faint",
  void: "faint",
  cancelled: "faint"
}

export const ink = (state: Phase): Ink => inks[state]

/** The glyph before a node: what it is, or for a run its state; what runs, turns. */
export const mark = (node: PictureNode, { glyphs, live }: Style): Span => {
  if (live === undefined) return span(glyphs.kind[node.kind], node.kind === "task" ? "plain" : "faint")
  const { state } = Progress.of(node, live.run)
  const turn = glyphs.spin[Math.abs(Math.trunc(live.frame)) % glyphs.spin.length]!
  return span(state === "running" ? turn : glyphs.state[state], inks[state])
}
