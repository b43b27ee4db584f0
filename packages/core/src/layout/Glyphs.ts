/**
 * The characters drawings are made of: Unicode or ASCII. Lines are looked up by the arms of a cell, a bit per direction.
 */
import type { Phase } from "../Phase.ts"
import type { EdgeStyle } from "./Picture.ts"

export const north = 1
export const east = 2
export const south = 4
export const west = 8

export interface Glyphs {
  /** A joint by its arms; straight lines by the style of their edge. */
  readonly joint: (arms: number) => string
  readonly horizontal: { readonly [style in EdgeStyle]: string }
  readonly vertical: { readonly [style in EdgeStyle]: string }
  readonly arrow: { readonly down: string; readonly right: string }
  /** Where a line leaves a frame. */
  readonly leave: { readonly down: string; readonly right: string }
  /** Corners from the upper left on, clockwise. */
  readonly round: string
  readonly square: string
  readonly kind: { readonly task: string; readonly value: string; readonly each: string }
  readonly state: { readonly [phase in Phase]: string }
  /** What `running` and `scheduled` show in turn, by frame. */
  readonly spin: ReadonlyArray<string>
  readonly retries: string
  /** Between a step and how often it is there. */
  readonly times: string
  /** Between two parts of a caption. */
  readonly dot: string
  readonly from: string
  /** A progress bar: what is done, its half step, what is not. */
  readonly bar: readonly [string, string, string]
  readonly ellipsis: string
}

const joints = " ╵╶╰╷│╭├╴╯─┴╮┤┬┼"

export const unicode: Glyphs = {
  joint: (arms) => joints[arms]!,
  horizontal: { success: "─", failure: "╌", settled: "┈" },
  vertical: { success: "│", failure: "╎", settled: "┊" },
  arrow: { down: "▼", right: "▶" },
  leave: { down: "┬", right: "├" },
  round: "╭╮╯╰",
  square: "┌┐┘└",
  kind: { task: "●", value: "◇", each: "▣" },
  state: {
    blocked: "·",
    ready: "○",
    running: "◐",
    scheduled: "◷",
    succeeded: "✓",
    failed: "✗",
    skipped: "↷",
    void: "∅",
    cancelled: "⊘"
  },
  spin: ["◐", "◓", "◑", "◒"],
  retries: "⟳",
  times: "×",
  dot: "·",
  from: "←",
  bar: ["━", "╸", "─"],
  ellipsis: "…"
}

export const ascii: Glyphs = {
  joint: (arms) => (arms === (north | south) ? "|" : arms === (east | west) ? "-" : arms === 0 ? " " : "+"),
  horizontal: { success: "-", failure: "~", settled: "." },
  vertical: { success: "|", failure: ":", settled: ":" },
  arrow: { down: "v", right: ">" },
  leave: { down: "+", right: "+" },
  round: "..''",
  square: "++++",
  kind: { task: "*", value: "<", each: "#" },
  state: {
    blocked: ".",
    ready: "o",
    running: "*",
    scheduled: "@",
    succeeded: "+",
    failed: "x",
    skipped: ">",
    void: "-",
    cancelled: "/"
  },
  spin: ["|", "/", "-", "\\"],
  retries: "r",
  times: "x",
  dot: "/",
  from: "<-",
  bar: ["#", "#", "."],
  ellipsis: "..."
}
