/**
 * What Arpeggio is meant to cost: at most, or at least where more is better. By workload, case and metric.
 */
import type { Metric } from "./Figure.ts"

type Case = { readonly [M in Metric]?: number }

const budget: Readonly<Record<string, Case>> = {
  "B drain": { rate: 40_000, worker: 22, redis: 12, allCommands: 4 },
  "B drain-long": { rate: 40_000, worker: 22, redis: 12, allCommands: 4 },
  "C chain": { hop: 0.4, commands: 12 },
  "D chord-1000": { millis: 45 },
  "D chord-10000": { millis: 300 },
  "D forEach-1000": { millis: 45 },
  "D forEach-10000": { millis: 300 },
  "E flows": { rate: 35_000, worker: 25, redis: 14, allCommands: 4 },
  "E flows-long": { rate: 35_000, worker: 25, redis: 14, allCommands: 4 },
  "F roundTrip": { p50: 0.8, p99: 5 },
  "G noops": { waiting: 200, finished: 240 },
  "I large-forEach": { slowest: 10 },
  "I large-chain": { slowest: 10 },
  "I large-mesh": { slowest: 10 }
}

const atLeast: ReadonlySet<Metric> = new Set(["rate", "flowRate"])

export interface Limit {
  readonly kind: "at least" | "at most"
  readonly value: number
}

export const limitOf = (workload: string, of: string, metric: Metric): Limit | undefined => {
  const value = budget[`${workload} ${of}`]?.[metric]
  return value === undefined ? undefined : { kind: atLeast.has(metric) ? "at least" : "at most", value }
}

export const isKept = ({ kind, value }: Limit, measured: number): boolean =>
  kind === "at least" ? measured >= value : measured <= value
