/**
 * One number of a measurement: of which case, what it counts, how much.
 */

/** What is counted, with its label in the table and the digits that mean something. */
export const metrics = {
  rate: { label: "tasks/s", digits: 0 },
  flowRate: { label: "flows/s", digits: 0 },
  worker: { label: "worker CPU, µs/task", digits: 1 },
  producer: { label: "producer CPU, µs/task", digits: 1 },
  redis: { label: "Redis CPU, µs/task", digits: 1 },
  commands: { label: "Redis commands/task", digits: 2 },
  allCommands: { label: "Redis commands/task, submit + run", digits: 2 },
  hop: { label: "ms/hop", digits: 3 },
  millis: { label: "ms, submit to value", digits: 1 },
  firstMillis: { label: "ms, submit to value, the first of its kind", digits: 1 },
  p50: { label: "p50, ms", digits: 2 },
  p95: { label: "p95, ms", digits: 2 },
  p99: { label: "p99, ms", digits: 2 },
  waiting: { label: "bytes in Redis per waiting task", digits: 0 },
  finished: { label: "bytes in Redis per finished task", digits: 0 },
  rss: { label: "worker memory, MiB", digits: 0 },
  peak: { label: "peak bytes in Redis per task", digits: 0 },
  slowest: { label: "longest script, ms", digits: 1 },
  ratio: { label: "worker + Redis CPU per task ÷ that of the empty store", digits: 2 }
} as const satisfies Record<string, { readonly label: string; readonly digits: number }>

export type Metric = keyof typeof metrics

export interface Figure {
  /** The case within its workload, stable over scales. */
  readonly of: string
  /** The case in words, with its size. */
  readonly label: string
  readonly metric: Metric
  readonly value: number
}

/** Several figures of one case; what could not be measured is left out. */
export const figures = (
  of: string,
  label: string,
  values: { readonly [M in Metric]?: number | undefined }
): ReadonlyArray<Figure> =>
  (Object.entries(values) as ReadonlyArray<readonly [Metric, number | undefined]>).flatMap(([metric, value]) =>
    value === undefined ? [] : [{ of, label, metric, value }]
  )

/** The one in the middle, or the mean of the two there; of none it is NaN. */
export const median = (values: ReadonlyArray<number>): number => quantile(values, 0.5)

/** Interpolated between the two nearest. */
export const quantile = (values: ReadonlyArray<number>, q: number): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const place = (sorted.length - 1) * q
  const below = sorted[Math.floor(place)] ?? Number.NaN
  const above = sorted[Math.ceil(place)] ?? Number.NaN
  return below + (above - below) * (place - Math.floor(place))
}
