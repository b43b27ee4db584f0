/**
 * The lower end of a terminal, painted again and again in place, while other output scrolls by above it.
 *
 * The cursor stays hidden until the screen is closed, and comes back however the process ends: there is a hook on its
 * exit, too. What anybody else writes to the terminal meanwhile is let through: the painting is taken away, the text
 * written, and the next paint goes below it.
 */
import { displayWidth } from "effect/cli/CliOutput"

/** What a screen needs of a terminal; `process.stderr` is one. */
export interface Terminal {
  readonly isTTY?: boolean | undefined
  readonly columns?: number | undefined
  readonly rows?: number | undefined
  write: typeof process.stderr.write
  on?(event: "resize", listener: () => void): unknown
  off?(event: "resize", listener: () => void): unknown
}

export interface Screen {
  /** How many columns a line may have. */
  readonly width: () => number
  /** How many lines fit, one left free for the cursor. */
  readonly height: () => number
  /** Replaces what was painted last. Lines that are too long are cut, lines too many are left out at the end. */
  readonly paint: (lines: ReadonlyArray<string>) => void
  /** Leaves the last painting where it is and gives the terminal back. */
  readonly close: () => void
}

const hideCursor = "\u001B[?25l"
const showCursor = "\u001B[?25h"
/** Terminals that know it show what is between the two at once; the others ignore it. */
const beginUpdate = "\u001B[?2026h"
const endUpdate = "\u001B[?2026l"
/** What is too long for a line is not carried over to the next one. */
const cutLines = "\u001B[?7l"
const wrapLines = "\u001B[?7h"
const clearLine = "\u001B[K"
const clearBelow = "\u001B[J"
const reset = "\u001B[0m"

// oxlint-disable-next-line no-control-regex -- what a terminal reads as colour begins with a control character
const style = /\u001B\[[\d;]*m/g

/** Opens a screen on a terminal; `others` are the streams that end on the same terminal. */
export const open = (terminal: Terminal, others: ReadonlyArray<Terminal> = []): Screen => {
  const write = terminal.write.bind(terminal)
  // Some say 0 when they do not know.
  const columns = () => Math.max(1, terminal.columns ?? 80)
  const width = () => Math.max(20, columns())
  const height = () => Math.max(3, (terminal.rows ?? 24) - 1)
  /** How many columns each line of the painting takes. */
  let painted: ReadonlyArray<number> = []
  let closed = false

  // A terminal that has become narrower has folded the lines, so their rows are counted for the width of now. It folds
  // before it says so: what is painted in between takes a row a line, as lines are cut, and the rows it could not reach
  // are above it. Together they are as many as if it had not been painted.
  const backToTop = () => {
    const rows = painted.reduce((sum, taken) => sum + Math.max(1, Math.ceil(taken / columns())), 0)
    return rows === 0 ? "" : `\u001B[${rows}F`
  }
  // Someone else writes: away with the painting. Half a line of theirs stays, the next painting begins below it.
  let midLine = false
  const makeRoom = (chunk: string | Uint8Array) => {
    if (painted.length > 0) write(backToTop() + clearBelow)
    painted = []
    midLine = chunk.length > 0 ? chunk[chunk.length - 1] !== (typeof chunk === "string" ? "\n" : 10) : midLine
  }
  const restore = [terminal, ...others].map((stream) => intercept(stream, makeRoom))
  const leave = () => {
    if (closed) return
    closed = true
    for (const undo of restore) undo()
    process.off("exit", leave)
    write(showCursor)
  }
  process.on("exit", leave)
  write(hideCursor)

  return {
    width,
    height,
    paint: (lines) => {
      if (closed) return
      const shown = lines.slice(0, height()).map((line) => clip(line, width()))
      // Cleared first: behind the last column there is nowhere to stand, and clearing there takes the last character.
      const text = shown.map((line) => `${clearLine}${line}\n`).join("")
      write(beginUpdate + (midLine ? "\n" : backToTop()) + cutLines + text + wrapLines + clearBelow + endUpdate)
      midLine = false
      painted = shown.map((line) => Math.min(columnsOf(line), columns()))
    },
    close: leave
  }
}

/** Calls back before anything else is written to a stream. Gives back how to undo it. */
const intercept = (stream: Terminal, before: (chunk: string | Uint8Array) => void): (() => void) => {
  if (stream.isTTY !== true) return () => {}
  const original = stream.write
  const through: typeof original = (chunk: string | Uint8Array, ...rest: ReadonlyArray<never>) => {
    before(chunk)
    return original.call(stream, chunk, ...rest)
  }
  stream.write = through
  return () => {
    stream.write = original
  }
}

/** How many columns a line takes. Almost every line is of narrow characters only, and those need not be segmented. */
const columnsOf = (line: string): number => {
  const text = line.replace(style, "")
  return narrow.test(text) ? text.length : displayWidth(text)
}

const narrow = /^[\u0020-\u007E\u00A0-\u02FF\u2010-\u2027\u2190-\u21FF\u2500-\u25FC\u2800-\u28FF]*$/

/** Cuts a line to so many columns; what is styled stays styled and is closed. */
export const clip = (line: string, columns: number): string => {
  if (columnsOf(line) <= columns) return line
  let out = ""
  let used = 0
  let styled = false
  for (const part of line.split(/(\u001B\[[\d;]*m)/)) {
    if (part.startsWith("\u001B[")) {
      out += part
      styled = true
      continue
    }
    for (const { segment } of segmenter.segment(part)) {
      const wide = displayWidth(segment)
      if (used + wide > columns - 1) return `${out}…${styled ? reset : ""}`
      out += segment
      used += wide
    }
  }
  return out
}

const segmenter = new Intl.Segmenter(undefined, { granularity: "grapheme" })
