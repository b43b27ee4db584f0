/**
 * One node as a box: what is written in it, and its frame.
 *
 * A box is as large for a run as it will ever be: states, counts and times have their columns from the start.
 */
import type { Glyphs } from "./Glyphs.ts"
import { span, width as lineWidth } from "./Ink.ts"
import type { Ink, Line } from "./Ink.ts"
import * as Numbers from "./Numbers.ts"
import { title } from "./Picture.ts"
import type { EachNode, PictureNode } from "./Picture.ts"
import * as Progress from "./Progress.ts"
import { rows, text } from "./Rails.ts"
import type { Row } from "./Rails.ts"
import { ink as inkOf, mark } from "./Style.ts"
import type { Live, Style } from "./Style.ts"
import * as Text from "./Text.ts"

export interface Box {
  /** Cells between the frame's sides, a blank on each side included. */
  readonly inner: number
  readonly lines: (inner: number) => ReadonlyArray<Line>
  readonly height: number
  /** Set into the upper side of the frame. */
  readonly caption: string | undefined
  readonly corners: string
  readonly ink: Ink
}

/** At most so many lines of a body are shown. */
const bodyLimit = 12

/** The box of a node; labels take at most `limit` columns. `caption`: when its branch is taken. */
export const make = (node: PictureNode, caption: string | undefined, limit: number, style: Style): Box => {
  const { glyphs, live } = style
  const when = caption === undefined ? undefined : Text.truncate(Text.printable(caption), limit, glyphs.ellipsis)
  const ink = live === undefined ? "faint" : inkOf(Progress.of(node, live.run).state)
  if (node.kind === "each") return eachBox(node, when, limit, style, ink)
  const label = Text.truncate(Text.printable(title(node, glyphs.times)), limit, glyphs.ellipsis)
  const glyph = live === undefined && node.kind === "task" ? [] : [mark(node, style), span(" ")]
  const head = [...glyph, span(label)]
  const least = when === undefined ? 0 : Text.width(when) + 4
  const box = { caption: when, corners: glyphs.round, ink }
  if (live === undefined || node.kind === "value") {
    return { ...box, inner: Math.max(lineWidth(head) + 2, least), lines: () => [head], height: 1 }
  }
  const progress = Progress.of(node, live.run)
  if (node.steps.length === 1) {
    const inner = Math.max(lineWidth(head) + Numbers.timedWidth + 2, least)
    return { ...box, inner, lines: (inner) => [spread(head, [Numbers.timed(progress)], inner - 2)], height: 1 }
  }
  const counts = [Numbers.shortCount(progress, node.steps.length), Numbers.timed(progress)]
  return {
    ...box,
    inner: Math.max(lineWidth(head) + 2, lineWidth(counts) + 9, least),
    lines: (inner) => [head, [...Numbers.bar(progress, inner - 2 - lineWidth(counts), glyphs), ...counts]],
    height: 2
  }
}

/** Two texts, one at either end of the columns. */
const spread = (left: Line, right: Line, columns: number): Line => [
  ...left,
  span(" ".repeat(Math.max(columns - lineWidth(left) - lineWidth(right), 0))),
  ...right
]

/** A `forEach`: its title in the frame, the steps of its body inside, for a run each with its counts, and a bar. */
const eachBox = (node: EachNode, when: string | undefined, limit: number, style: Style, ink: Ink): Box => {
  const { glyphs, live } = style
  const all = rows(node.body, style) ?? []
  const shown = all.length > bodyLimit ? all.slice(0, bodyLimit - 1) : all
  const more = all.length - shown.length
  const columns = (row: Row) => limit + Math.min(Text.width(row.note), limit)
  const body = shown.map((row) => [...row.rails, ...text(row, columns(row), glyphs.ellipsis)])
  const rest: ReadonlyArray<Line> = more === 0 ? [] : [[span(`${glyphs.ellipsis} ${more} more steps`, "faint")]]
  const widest = Math.max(0, ...[...body, ...rest].map(lineWidth))
  const needed = widest + 2 + (live === undefined ? 0 : 1 + numbersWidth)
  const after = when === undefined ? "" : ` ${glyphs.dot} ${when}`
  const room = Math.max(limit, needed - 4 - Text.width(after))
  const caption = Text.truncate(Text.printable(title(node, glyphs.times)), room, glyphs.ellipsis) + after
  const inner = Math.max(needed, Text.width(caption) + 4)
  const box = { caption, corners: glyphs.square, ink, inner }
  if (live === undefined) {
    return {
      ...box,
      lines: () => [...body, ...rest],
      height: body.length + rest.length
    }
  }
  const progress = Progress.of(node, live.run)
  const last = [mark(node, style), span(" ")]
  const troubles = Numbers.troubles(progress, glyphs)
  return {
    ...box,
    lines: (inner) => [
      ...body.map((line, at) => spread(line, numbers(shown[at]!.node, live, glyphs), inner - 2)),
      ...rest,
      [...last, ...Numbers.bar(progress, inner - 4 - Numbers.troublesWidth, glyphs), ...troubles]
    ],
    height: body.length + rest.length + 1
  }
}

const numbersWidth = Numbers.countedWidth + Numbers.timedWidth + Numbers.failedWidth

const numbers = (node: PictureNode, live: Live, glyphs: Glyphs): Line => {
  const progress = Progress.of(node, live.run)
  return [Numbers.counted(progress), Numbers.timed(progress), Numbers.failed(progress, glyphs)]
}

/** The frame's upper and lower side. */
export const sides = (box: Box, inner: number, glyphs: Glyphs): readonly [Line, Line] => {
  const [upperLeft, upperRight, lowerRight, lowerLeft] = [...box.corners] as [string, string, string, string]
  const bar = glyphs.horizontal.success
  const caption = box.caption === undefined ? "" : ` ${box.caption} `
  const top: Line =
    caption === ""
      ? [span(upperLeft + bar.repeat(inner) + upperRight, box.ink)]
      : [
          span(upperLeft + bar, box.ink),
          span(caption),
          span(bar.repeat(Math.max(inner - 1 - Text.width(caption), 0)) + upperRight, box.ink)
        ]
  return [top, [span(lowerLeft + bar.repeat(inner) + lowerRight, box.ink)]]
}
