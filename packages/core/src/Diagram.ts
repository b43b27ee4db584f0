/**
 * Drawings of plans, and of runs of them: for a terminal, for Graphviz, for Mermaid, and as JSON.
 *
 * What is drawn is the *picture* of a plan: the steps the user wrote, without what the compiler added between them. A
 * `forEach` is one node with the steps of its body inside; a handler of failures hangs on an edge that says what it
 * catches; an edge that fires on either end says `settled`.
 *
 * Everything here is a pure function of its arguments. A live drawing is a drawing made again: for one plan and one set
 * of options it always has the same lines in the same places, so that a terminal can repaint it where it stands.
 */
import { memoize } from "effect/Function"
import type { RunView } from "./Broker.ts"
import { dot as toDot } from "./layout/Dot.ts"
import { fold } from "./layout/Fold.ts"
import { ascii, unicode } from "./layout/Glyphs.ts"
import { paint } from "./layout/Ink.ts"
import { mermaid as toMermaid } from "./layout/Mermaid.ts"
import type { Picture } from "./layout/Picture.ts"
import { summary as summarize } from "./layout/Progress.ts"
import { fitting, ofKind } from "./layout/Sketch.ts"
import type { Kind } from "./layout/Sketch.ts"
import type { Plan } from "./plan/Document.ts"

export type {
  EachNode,
  Picture,
  PictureEdge,
  PictureNode,
  PictureRegion,
  TaskNode,
  ValueNode
} from "./layout/Picture.ts"

/** How to draw in a terminal; every field has a default. */
export interface Options {
  /** Columns; 80 by default, at least 20. */
  readonly width?: number | undefined
  /** Lines; as many as needed by default, though a list never has more than 60. */
  readonly height?: number | undefined
  /**
   * - `boxes`: every step a box, in layers, from the top down or from left to right;
   * - `rails`: a line per step with the edges as rails on the left, as version control draws history;
   * - `groups`: as boxes, with all calls of one task in one generation as one box, `resize × 12`;
   * - `levels`: a list of generations and tasks, at most 60 lines.
   *
   * By default the first of these that suits the size of the plan and fits; a style that does not fit gives way to the
   * default.
   */
  readonly style?: Kind | undefined
  /** A run of this plan, whose state is drawn: marks, counts, bars, the mean time of an attempt. */
  readonly run?: RunView | undefined
  /** Which picture of an animation this is: counted up from one repaint to the next, it turns the mark of what runs. */
  readonly frame?: number | undefined
  /** Colour by escape sequences; without by default. No colour carries meaning alone. */
  readonly color?: boolean | undefined
  /** Plain ASCII instead of box-drawing characters. */
  readonly ascii?: boolean | undefined
}

/** The picture of a plan: plain JSON, what every drawing here is made of. Made once per plan, which never changes. */
export const picture: (plan: Plan) => Picture = memoize(fold)

/**
 * The drawing for a terminal, lines joined by `\n`, without blanks at their ends. Labels too long for the width are cut;
 * no line is wider than it.
 *
 * @example
 * ```ts
 * import * as Diagram from "@arpeggio/core/Diagram"
 * import type { Plan } from "@arpeggio/core/Plan"
 *
 * export const draw = (plan: Plan): string => Diagram.text(plan, { width: 100 })
 * // ╭─────────────╮    ┌─ each × n ─┐    ╭─────────╮
 * // │ image.fetch ├─┬─▶│ ● resize   ├─┬─▶│ publish │
 * // ╰─────────────╯ │  └────────────┘ │  ╰─────────╯
 * //                 ╰─────────────────╯
 * ```
 */
export const text = (plan: Plan, options: Options = {}): string => {
  const { run, frame = 0, style: kind } = options
  const drawn = picture(plan)
  const style = {
    glyphs: options.ascii === true ? ascii : unicode,
    live: run === undefined ? undefined : { run, frame }
  }
  const room = {
    width: Math.max(20, Math.floor(options.width ?? 80)),
    height: options.height ?? Number.POSITIVE_INFINITY
  }
  const chosen = kind === undefined || drawn.nodes.length === 0 ? undefined : ofKind(kind, drawn, room, style)
  const lines = chosen ?? fitting(drawn, room, style)
  return paint(lines, options.color === true)
}

/** A run in a line: `3,214 of 20,004 steps done, 4 running, 2 failed, 7 retried`. Steps are calls of tasks. */
export const summary = (plan: Plan, run: RunView): string => summarize(picture(plan), run)

/** The drawing as a Graphviz digraph: `dot -Tsvg`. */
export const dot = (plan: Plan): string => toDot(picture(plan), plan.flow)

/** The drawing as a Mermaid flowchart. */
export const mermaid = (plan: Plan): string => toMermaid(picture(plan))

/** The picture as JSON text, indented by two blanks. */
export const json = (plan: Plan): string => JSON.stringify(picture(plan), undefined, 2)
