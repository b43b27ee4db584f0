/**
 * A grid addressed *along* the edges of a drawing and *across* them: in rows from the top down, or in columns from left
 * to right.
 */
import * as Box from "./Box.ts"
import type { Glyphs } from "./Glyphs.ts"
import { Grid } from "./Grid.ts"
import type { Pen } from "./Grid.ts"
import { span } from "./Ink.ts"
import type { Line } from "./Ink.ts"

export class Sheet {
  readonly #grid: Grid
  readonly #glyphs: Glyphs
  readonly #down: boolean

  constructor(glyphs: Glyphs, down: boolean) {
    this.#grid = new Grid(glyphs)
    this.#glyphs = glyphs
    this.#down = down
  }

  lines(): ReadonlyArray<Line> {
    return this.#grid.lines()
  }

  along(pen: Pen, across: number, from: number, to: number): void {
    if (this.#down) this.#grid.line(pen, across, from, across, to, "vertical")
    else this.#grid.line(pen, from, across, to, across, "horizontal")
  }

  across(pen: Pen, along: number, from: number, to: number): void {
    if (this.#down) this.#grid.line(pen, from, along, to, along, "horizontal")
    else this.#grid.line(pen, along, from, along, to, "vertical")
  }

  /** Where a line leaves a box: a joint in its frame. */
  leave(along: number, across: number): void {
    this.#put(along, across, this.#down ? this.#glyphs.leave.down : this.#glyphs.leave.right)
  }

  /** Where a line arrives: its arrow. */
  arrive(along: number, across: number): void {
    this.#put(along, across, this.#down ? this.#glyphs.arrow.down : this.#glyphs.arrow.right)
  }

  box(box: Box.Box, along: number, across: number, length: number, breadth: number): void {
    const [x, y, width, height] = this.#down ? [across, along, breadth, length] : [along, across, length, breadth]
    const inner = width - 2
    const [top, bottom] = Box.sides(box, inner, this.#glyphs)
    const side = span(this.#glyphs.vertical.success, box.ink)
    const lines = box.lines(inner)
    const first = Math.floor((height - 2 - lines.length) / 2)
    this.#grid.write(x, y, top)
    for (let row = 0; row < height - 2; row++) {
      this.#grid.write(x, y + 1 + row, [side, span(" ".repeat(inner)), side])
      const line = lines[row - first]
      if (line !== undefined) this.#grid.write(x + 2, y + 1 + row, line)
    }
    this.#grid.write(x, y + height - 1, bottom)
  }

  #put(along: number, across: number, character: string): void {
    const [x, y] = this.#down ? [across, along] : [along, across]
    this.#grid.write(x, y, [span(character, "faint")])
  }
}
