/**
 * The numbers of a run in columns that never change their width, so that a drawing can be repainted in place.
 */
import type { Glyphs } from "./Glyphs.ts"
import { span } from "./Ink.ts"
import type { Ink, Line, Span } from "./Ink.ts"
import type { PictureNode } from "./Picture.ts"
import { of as progressOf } from "./Progress.ts"
import type { Progress } from "./Progress.ts"
import type { Live, Style } from "./Style.ts"
import * as Text from "./Text.ts"

/** `3,214/20,000`, with a `+` while more may come; on a branch, once it is known to be one, `12 taken`. */
export const counted = (progress: Progress): Span => span(Text.padStart(countText(progress), countedWidth))

const countText = ({ done, total, known, void: skipped }: Progress): string => {
  if (total === 0) return ""
  if (skipped > 0) return `${Text.count(done - skipped)} taken`
  return `${Text.count(done)}/${Text.count(total)}${known ? "" : "+"}`
}
export const countedWidth = 16

/** `93/180`, as wide as it can become. */
export const shortCount = (progress: Progress, total: number): Span =>
  span(Text.padStart(`${Text.count(progress.done)}/${Text.count(total)}`, 2 * Text.count(total).length + 2))

/** The mean time of an attempt. */
export const timed = (progress: Progress): Span =>
  span(Text.padStart(progress.mean === undefined ? "" : Text.duration(progress.mean), timedWidth), "faint")
export const timedWidth = 7

const tallyWidth = 7
const tallied = (glyph: string, value: number, shade: Ink): Span =>
  span(Text.padStart(value === 0 ? "" : `${glyph} ${Text.brief(value)}`, tallyWidth), shade)

/** `✗ 3`: how many failed. */
export const failed = (progress: Progress, glyphs: Glyphs): Span => tallied(glyphs.state.failed, progress.failed, "bad")
export const failedWidth = tallyWidth

/** What went wrong: failures, and attempts that were tried again. */
export const troubles = (progress: Progress, glyphs: Glyphs): Line => [
  failed(progress, glyphs),
  tallied(glyphs.retries, progress.retries, "wait")
]
export const troublesWidth = 2 * tallyWidth

/** A bar over so many columns: what is done, of that what failed at its end, and what is to do. */
export const bar = (progress: Progress, columns: number, glyphs: Glyphs): Line => {
  const [full, half, empty] = glyphs.bar
  const share = progress.total === 0 || !progress.known ? 0 : progress.done / progress.total
  const halves = Math.floor(share * columns * 2)
  const done = Math.floor(halves / 2)
  const bad =
    progress.failed === 0 || done === 0
      ? 0
      : Math.min(done, Math.max(1, Math.round((done * progress.failed) / progress.done)))
  const rest = columns - done - (halves % 2)
  return [
    span(full.repeat(done - bad), progress.state === "succeeded" ? "good" : "busy"),
    span(full.repeat(bad), "bad"),
    span(half.repeat(halves % 2), "busy"),
    span(empty.repeat(rest), "faint")
  ]
}

const barWidth = (columns: number): number => (columns < 100 ? 8 : 14)

/** How many of the columns go to numbers; none without a run. */
export const statisticsWidth = (columns: number, { live }: Style): number =>
  live === undefined ? 0 : 1 + barWidth(columns) + countedWidth + timedWidth + troublesWidth

/** Bar and count for what is many; the time of an attempt; failures and retries. */
export const statistics = (node: PictureNode, columns: number, live: Live, glyphs: Glyphs): Line => {
  const progress = progressOf(node, live.run)
  const many = node.kind === "each" || progress.total > 1
  const columnsOfBar = barWidth(columns)
  return [
    span(" "),
    ...(many ? bar(progress, columnsOfBar, glyphs) : [span(" ".repeat(columnsOfBar))]),
    many ? counted(progress) : span(" ".repeat(countedWidth)),
    timed(progress),
    // One step that failed says so by its mark.
    ...troubles(many ? progress : { ...progress, failed: 0 }, glyphs)
  ]
}
