/**
 * The rows as text: aligned for a terminal, or in Markdown.
 */
import * as Budget from "./Budget.ts"
import { median, metrics } from "./Figure.ts"
import type { Peer } from "./Peer.ts"
import type { Report, Row } from "./Report.ts"

type Line = ReadonlyArray<string>

/** Costs lie between 0.001 and 1,000,000: three digits that mean something, or all before the point. */
const number = (value: number, digits: number): string =>
  value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits })

const shown = (row: Row, peer: Peer): string => {
  const values = row.values.get(peer.name)
  return values === undefined ? "-" : number(median(values), metrics[row.metric].digits)
}

const budget = (row: Row): string => {
  const limit = Budget.limitOf(row.workload, row.of, row.metric)
  if (limit === undefined) return ""
  const { digits } = metrics[row.metric]
  const whole = Number.isInteger(limit.value) ? 0 : Math.min(1, digits)
  const own = row.values.get("arpeggio")
  const verdict = own === undefined || Budget.isKept(limit, median(own)) ? "" : " (missed)"
  return `${limit.kind === "at least" ? "≥" : "≤"} ${number(limit.value, whole)}${verdict}`
}

const head = ({ peers }: Report): Line => ["", "measure", ...peers.map(({ title }) => title), "budget"]

/** A workload's title in a line of its own, then its rows. */
const lines = (report: Report): ReadonlyArray<{ readonly title: string; readonly lines: ReadonlyArray<Line> }> =>
  report.workloads.flatMap(({ id, title }) => {
    const rows = report.rows.filter(({ workload }) => workload === id)
    if (rows.length === 0) return []
    const body = rows.map((row, i) => [
      row.of === rows[i - 1]?.of ? "" : row.label,
      metrics[row.metric].label,
      ...report.peers.map((peer) => shown(row, peer)),
      budget(row)
    ])
    return [{ title: `${id}. ${title}`, lines: body }]
  })

export const text = (report: Report): string => {
  const sections = lines(report)
  const all = [head(report), ...sections.flatMap(({ lines }) => lines)]
  const widths = head(report).map((_, column) => Math.max(...all.map((line) => line[column]!.length)))
  const lay = (line: Line): string =>
    line
      .map((cell, column) => (column < 2 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
      .join("  ")
      .trimEnd()
  return [
    lay(head(report)),
    ...sections.flatMap(({ lines, title }) => ["", title, ...lines.map((line) => lay(line))])
  ].join("\n")
}

export const markdown = (report: Report): string => {
  const line = (cells: Line): string => `| ${cells.join(" | ")} |`
  const rule = head(report).map((_, column) => (column < 2 ? "---" : "---:"))
  return lines(report)
    .map(({ lines, title }) => [`### ${title}`, "", line(head(report)), line(rule), ...lines.map(line)].join("\n"))
    .join("\n\n")
}
