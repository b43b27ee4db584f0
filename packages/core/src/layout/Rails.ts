/**
 * One line per node, in an order in which sources come before their readers, with rails on the left:
 *
 * ```
 * ● list
 * ├─▣ each × n
 * │ │   ● read
 * │ │   ● analyse
 * ╰─● report
 * ```
 *
 * A rail belongs to one node: it begins under it and ends at its last reader. A reader's line joins the rails it reads
 * by one wire; a rail that only passes by crosses the wire as a bare `│`, so every edge can be followed. Two nodes right
 * above each other are an edge, unless the lower one hangs on a wire from the left.
 */
import { east, north, south, west } from "./Glyphs.ts"
import type { Glyphs } from "./Glyphs.ts"
import { span, width as lineWidth } from "./Ink.ts"
import type { Line, Span } from "./Ink.ts"
import { Lanes, order } from "./Lanes.ts"
import type { Placed } from "./Lanes.ts"
import { statistics, statisticsWidth } from "./Numbers.ts"
import { adjacency, title } from "./Picture.ts"
import type { Picture, PictureNode } from "./Picture.ts"
import { mark } from "./Style.ts"
import type { Style } from "./Style.ts"
import * as Text from "./Text.ts"

/** A line before its columns are set: the rails with the node's mark, the text, and the node behind it. */
export interface Row {
  readonly rails: Line
  readonly label: string
  /** What makes its edges fire, where that is not plain success: `on NotFound`. */
  readonly note: string
  /** How many bodies are around it, of those drawn here. */
  readonly depth: number
  readonly node: PictureNode
}

/** The rows of a picture; those of a body follow their `forEach`, indented. Nothing if more lanes are needed than given. */
export const rows = (
  picture: Picture,
  style: Style,
  lanes = Number.POSITIVE_INFINITY
): ReadonlyArray<Row> | undefined => {
  const edges = adjacency(picture)
  const track = new Lanes(picture, edges)
  const result: Array<Row> = []
  for (const index of order(picture, edges)) {
    const node = picture.nodes[index]!
    const placed = track.place(index)
    if (Math.max(placed.lane + 1, placed.after.length) > lanes) return undefined
    const rails = draw(placed, mark(node, style), style.glyphs)
    const label = Text.printable(title(node, style.glyphs.times))
    result.push({ rails, label, note: note(placed, picture), depth: 0, node })
    if (node.kind !== "each") continue
    const inner = rows(node.body, style, lanes - placed.after.length - 1)
    if (inner === undefined) return undefined
    const prefix = [...pass(placed.after, style.glyphs), span("  ")]
    for (const row of inner) result.push({ ...row, depth: row.depth + 1, rails: [...prefix, ...row.rails] })
  }
  return result
}

/** With several sources it also says of which of them. */
const note = (placed: Placed, picture: Picture): string =>
  placed.into
    .filter((edge) => edge.label !== undefined)
    .map((edge) => edge.label! + (placed.into.length > 1 ? ` of ${picture.nodes[edge.from]!.label}` : ""))
    .map((text) => `  ${Text.printable(text)}`)
    .join("")

/** The columns of a row's text. */
const textWidth = ({ label, note }: Row): number => Text.width(label) + Text.width(note)

/** The text in so many columns; the label is cut before the note, which says when there will be a step at all. */
export const text = ({ label, note }: Row, columns: number, ellipsis: string): Line => {
  const cut = Text.truncate(label, Math.max(Math.min(columns, leastLabel), columns - Text.width(note)), ellipsis)
  return [span(cut), span(Text.truncate(note, columns - Text.width(cut), ellipsis), "faint")]
}

/** Two columns per lane: the lane itself, and the wire to the next. */
const draw = (placed: Placed, glyph: Span, glyphs: Glyphs): Line => {
  const { lane, joined, before, after, style } = placed
  const reach = [...joined, lane]
  const from = Math.min(...reach)
  const to = Math.max(...reach)
  const last = Math.max(to, before.length - 1, after.length - 1)
  const spans: Array<Span> = []
  for (let at = 0; at <= last; at++) {
    const wired = at >= from && at <= to
    spans.push(at === lane ? glyph : span(cell(at), "faint"))
    spans.push(span(wired && at < to ? glyphs.horizontal[style] : " ", "faint"))
  }
  return spans

  function cell(at: number): string {
    const up = before[at] === true
    const down = after[at] === true
    if (joined.has(at)) {
      return glyphs.joint((up ? north : 0) | (down ? south : 0) | (at > from ? west : 0) | (at < to ? east : 0))
    }
    if (up && down) return glyphs.vertical.success
    return at > from && at < to ? glyphs.horizontal[style] : " "
  }
}

/** A line on which the rails only go on. */
const pass = (after: ReadonlyArray<boolean>, glyphs: Glyphs): Line =>
  after.map((held) => span(held ? `${glyphs.vertical.success} ` : "  ", "faint"))

/** Labels stand in one column while the rails are few; else each follows its own. */
const aligned = 24

/** Fewer columns than this are no room for a label. */
const leastLabel = 12

/** The drawing: as wide as given, one line per row. Nothing if the rails leave no room for labels. */
export const rails = (picture: Picture, columns: number, style: Style): ReadonlyArray<Line> | undefined => {
  const right = columns - statisticsWidth(columns, style)
  const all = rows(picture, style, Math.floor((right - leastLabel) / 2))
  if (all === undefined) return undefined
  const widths = all.map((row) => railWidth(row.rails))
  const widest = Math.max(0, ...widths)
  if (right - widest - 1 < leastLabel) return undefined
  const starts = all.map((row, at) => (widest <= aligned ? widest + 2 * row.depth : widths[at]!) + 1)
  const edge = Math.min(right, Math.max(0, ...all.map((row, at) => starts[at]! + textWidth(row))))
  return all.map((row, at) => {
    const start = starts[at]!
    const gap = span(" ".repeat(Math.max(start - lineWidth(row.rails), 0)))
    const words = text(row, edge - start, style.glyphs.ellipsis)
    if (style.live === undefined) return [...row.rails, gap, ...words]
    const fill = span(" ".repeat(Math.max(edge - start - lineWidth(words), 0)))
    return [...row.rails, gap, ...words, fill, ...statistics(row.node, columns, style.live, style.glyphs)]
  })
}

const railWidth = (line: Line): number =>
  Text.width(
    line
      .map(({ text }) => text)
      .join("")
      .trimEnd()
  )
