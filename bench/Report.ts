/**
 * What came out: one row per case and metric, with each round's value of each peer.
 */
import type { Figure, Metric } from "./Figure.ts"
import { median, metrics } from "./Figure.ts"
import type { Machine } from "./Machine.ts"
import type { Missing, Name, Peer } from "./Peer.ts"
import type { Workload } from "./Workload.ts"

export interface Row {
  readonly workload: string
  readonly of: string
  readonly label: string
  readonly metric: Metric
  /** One per round. */
  readonly values: Map<Name, Array<number>>
}

export interface Failed {
  readonly workload: string
  readonly peer: string
  readonly round: number
  readonly message: string
}

export interface Report {
  /** When it began: ISO 8601. */
  readonly at: string
  readonly minutes: number
  readonly machine: Machine
  /** The minute's mean of processes that wanted to run, when it began. */
  readonly load: number
  /** The part of the machine's time that its host gave to others meanwhile: 0 to 1; only Linux tells. */
  readonly stolen: number | undefined
  readonly redis: string
  readonly rounds: number
  readonly scale: number
  readonly workloads: ReadonlyArray<Workload>
  readonly peers: ReadonlyArray<Peer>
  readonly missing: ReadonlyArray<Missing>
  readonly rows: ReadonlyArray<Row>
  readonly failures: ReadonlyArray<Failed>
}

/** Puts figures of a peer's turn where they belong. */
export const add = (rows: Array<Row>, workload: string, peer: Name, figures: ReadonlyArray<Figure>): void => {
  for (const { label, metric, of, value } of figures) {
    let row = rows.find((row) => row.workload === workload && row.of === of && row.metric === metric)
    if (row === undefined) rows.push((row = { workload, of, label, metric, values: new Map() }))
    row.values.set(peer, [...(row.values.get(peer) ?? []), value])
  }
}

/** The rows in the order of workloads, each case's together. */
export const sorted = (rows: ReadonlyArray<Row>, workloads: ReadonlyArray<Workload>): ReadonlyArray<Row> => {
  const cases = Array.from(new Set(rows.map(({ of, workload }) => `${workload} ${of}`)))
  const kinds = Object.keys(metrics)
  const place = ({ metric, of, workload }: Row): number =>
    workloads.findIndex(({ id }) => id === workload) * 1e6 +
    cases.indexOf(`${workload} ${of}`) * 1e3 +
    kinds.indexOf(metric)
  return rows.toSorted((a, b) => place(a) - place(b))
}

/** How far the rounds of a row lie apart: their widest distance as a part of their median; the middle one of all rows. */
export const spread = (rows: ReadonlyArray<Row>): number =>
  median(
    rows.flatMap(({ values }) =>
      Array.from(values.values())
        .filter((values) => values.length > 1 && median(values) > 0)
        .map((values) => (Math.max(...values) - Math.min(...values)) / median(values))
    )
  )

/** The report as one JSON document. */
export const toJson = (report: Report): unknown => ({
  ...report,
  workloads: report.workloads.map(({ id, title }) => ({ id, title })),
  peers: report.peers.map(({ name, title, version }) => ({ name, title, version })),
  rows: report.rows.map(({ values, ...row }) => ({
    ...row,
    unit: metrics[row.metric].label,
    values: Object.fromEntries(Array.from(values, ([peer, values]) => [peer, { median: median(values), values }]))
  }))
})
