/**
 * A sheet of character cells: boxes are written on it, lines are drawn through it.
 *
 * Lines have an owner. Where two lines of one owner meet, they join; where lines of two owners cross, the vertical one
 * passes over the horizontal one (`─│─`), so a joint is never mistaken for a crossing.
 */
import { east, north, south, west } from "./Glyphs.ts"
import type { Glyphs } from "./Glyphs.ts"
import { span } from "./Ink.ts"
import type { Ink, Line, Span } from "./Ink.ts"
import type { EdgeStyle } from "./Picture.ts"
import * as Text from "./Text.ts"

/** Who draws a line, and how. */
export interface Pen {
  readonly owner: number
  readonly style: EdgeStyle
}

interface Stroke extends Pen {
  arms: number
}

interface Cell {
  character: string
  ink: Ink
  horizontal: Stroke | undefined
  vertical: Stroke | undefined
}

export class Grid {
  readonly #glyphs: Glyphs
  readonly #rows: Array<Array<Cell | undefined>> = []

  constructor(glyphs: Glyphs) {
    this.#glyphs = glyphs
  }

  /** Text from a cell on; a wide character takes two cells, the second one empty. */
  write(x: number, y: number, spans: Line): void {
    for (const { text, ink } of spans) {
      for (const character of Text.characters(text)) {
        const taken = Text.width(character)
        if (taken === 0) continue
        this.#put(x, y, character, ink)
        if (taken === 2) this.#put(x + 1, y, "", ink)
        x += taken
      }
    }
  }

  /**
   * A straight line between two cells, both included, that joins lines of the same owner where it meets them. A line of
   * one cell has an axis too: it passes through.
   */
  line(pen: Pen, x1: number, y1: number, x2: number, y2: number, axis: "horizontal" | "vertical"): void {
    const [left, right] = [Math.min(x1, x2), Math.max(x1, x2)]
    const [top, bottom] = [Math.min(y1, y2), Math.max(y1, y2)]
    if (axis === "horizontal") {
      for (let x = left; x <= right; x++) {
        this.#stroke(pen, axis, x, top, (x > left ? west : 0) | (x < right ? east : 0))
      }
    } else {
      for (let y = top; y <= bottom; y++) {
        this.#stroke(pen, axis, left, y, (y > top ? north : 0) | (y < bottom ? south : 0))
      }
    }
  }

  lines(): ReadonlyArray<Line> {
    return Array.from(this.#rows, (row = []) => Array.from(row, (cell): Span => this.#show(cell)))
  }

  #cell(x: number, y: number): Cell {
    const row = (this.#rows[y] ??= [])
    return (row[x] ??= { character: "", ink: "plain", horizontal: undefined, vertical: undefined })
  }

  #put(x: number, y: number, character: string, ink: Ink): void {
    const cell = this.#cell(x, y)
    cell.character = character === "" ? "\u0000" : character
    cell.ink = ink
  }

  #stroke(pen: Pen, axis: "horizontal" | "vertical", x: number, y: number, arms: number): void {
    const cell = this.#cell(x, y)
    cell[axis] = { ...pen, arms: (cell[axis]?.owner === pen.owner ? cell[axis].arms : 0) | arms }
  }

  #show(cell: Cell | undefined): Span {
    if (cell === undefined) return span(" ")
    const { horizontal, vertical, character, ink } = cell
    if (character !== "") return span(character === "\u0000" ? "" : character, ink)
    if (vertical !== undefined && horizontal !== undefined && vertical.owner === horizontal.owner) {
      const arms = vertical.arms | horizontal.arms
      return span(arms === (north | south) ? this.#glyphs.vertical[vertical.style] : this.#glyphs.joint(arms), "faint")
    }
    const stroke = vertical ?? horizontal
    if (stroke === undefined) return span(" ")
    const straight = vertical === undefined ? this.#glyphs.horizontal : this.#glyphs.vertical
    return span(straight[stroke.style], "faint")
  }
}
