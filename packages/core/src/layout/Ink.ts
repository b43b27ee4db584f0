/**
 * Runs of text in an ink. Inks say what something is; here alone they become the sixteen colours every terminal has,
 * chosen to be legible on dark and on light, and none carries meaning alone: a glyph or a word says the same.
 */
import * as Text from "./Text.ts"

export type Ink = "plain" | "faint" | "good" | "bad" | "busy" | "wait"

export interface Span {
  readonly text: string
  readonly ink: Ink
}

export type Line = ReadonlyArray<Span>

export const span = (text: string, ink: Ink = "plain"): Span => ({ text, ink })

export const width = (line: Line): number => line.reduce((sum, { text }) => sum + Text.width(text), 0)

/** The line shortened to so many columns; its last runs go first. */
export const clip = (whole: Line, columns: number, ellipsis: string): Line => {
  const line: Array<Span> = []
  let left = columns
  for (const { text, ink } of whole) {
    if (left <= 0) break
    const cut = Text.truncate(text, left, ellipsis)
    line.push(span(cut, ink))
    left -= Text.width(cut)
  }
  return line
}

const codes: { readonly [ink in Ink]: string } = {
  plain: "",
  faint: "2",
  good: "32",
  bad: "1;31",
  busy: "36",
  wait: "35"
}

/** One line of text; with colour, every run is closed again, so a line can be cut out and stand alone. */
const paintLine = (line: Line, color: boolean): string => {
  const runs: Array<{ text: string; ink: Ink }> = []
  for (const { text, ink } of line) {
    const last = runs.at(-1)
    if (last !== undefined && (last.ink === ink || text.trim() === "")) last.text += text
    else runs.push({ text, ink })
  }
  const last = runs.at(-1)
  if (last !== undefined) last.text = last.text.trimEnd()
  return runs
    .map(({ text, ink }) =>
      color && codes[ink] !== "" && text !== "" ? `\u001b[${codes[ink]}m${text}\u001b[0m` : text
    )
    .join("")
    .trimEnd()
}

/** Lines as text, without blanks at their ends. */
export const paint = (lines: ReadonlyArray<Line>, color: boolean): string =>
  lines.map((line) => paintLine(line, color)).join("\n")
