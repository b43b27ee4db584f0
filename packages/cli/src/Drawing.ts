/**
 * A plan as text for a terminal, or in a format that other programs draw.
 */
import * as Diagram from "@arpeggio/core/Diagram"
import type { Plan } from "@arpeggio/core/Plan"

export type Format = "text" | "dot" | "mermaid" | "json"

export interface Options {
  readonly format: Format
  /** How the terminal drawing looks; by its size where it is not given. */
  readonly style: Diagram.Options["style"]
  /** Columns the terminal drawing may take. */
  readonly width: number
  readonly color: boolean
}

/** The drawing, with the newline at its end. */
export const draw = (plan: Plan, { format, ...options }: Options): string => {
  switch (format) {
    case "text":
      return line(Diagram.text(plan, options))
    case "dot":
      return line(Diagram.dot(plan))
    case "mermaid":
      return line(Diagram.mermaid(plan))
    case "json":
      return line(Diagram.json(plan))
  }
}

const line = (text: string): string => (text.endsWith("\n") ? text : `${text}\n`)
