/**
 * What a peer's two processes can be asked: a producer, which submits and awaits as a user's program would, and a worker.
 * They are asked over Node's IPC channel, one JSON message per line, which a program in another language can read too.
 *
 * Counts are of tasks or of flows, times are milliseconds, sizes bytes.
 */

export type Role = "producer" | "worker"

/** Graphs of one run. `size`: hops of a chain, members of a chord, elements of a forEach, layers and width of a mesh. */
export type Graph = "chain" | "chord" | "forEach" | "mesh"

/** What a process has used since it started. */
export interface Usage {
  /** CPU time, user and system, in microseconds. */
  readonly cpu: number
  readonly rss: number
}

/** What became of a graph. */
export interface Answer {
  readonly value: number
  /** From the call that submits it until its value is known to the one who submitted it. */
  readonly millis: number
}

/** What the store says of everything that was enqueued or submitted since it was asked last. */
export interface Totals {
  readonly count: number
  readonly sum: number
}

/** Whether what tasks end with stays in the store. */
export type Results = "kept" | "dropped"

export interface Producer {
  /**
   * Enqueues the no-ops 0 to `count` - 1: so many calls at once, or as many at once as the peer can take. Where results are
   * dropped they are not among the totals.
   */
  readonly enqueue: (args: {
    readonly count: number
    readonly inFlight: number | "bulk"
    readonly results: Results
  }) => Promise<void>
  /** Submits the small flows 0 to `count` - 1: five tasks, one that sums their values, one that adds 1. */
  readonly flows: (args: { readonly count: number }) => Promise<void>
  readonly totals: (args: {}) => Promise<Totals>
  readonly graph: (args: { readonly graph: Graph; readonly size: number }) => Promise<Answer>
  /** Submits one no-op and awaits its value, `count` times in sequence; every time it took. */
  readonly roundTrips: (args: { readonly count: number }) => Promise<ReadonlyArray<number>>
  readonly usage: (args: {}) => Promise<Usage>
}

export interface Worker {
  /** Begins to take work. It is connected already. */
  readonly run: (args: { readonly concurrency: number; readonly results: Results }) => Promise<void>
  /** Answers once the results of `count` tasks are recorded since `run`, or are gone again, with how many there were. */
  readonly done: (args: { readonly count: number }) => Promise<number>
  /** Takes no more work. */
  readonly halt: (args: {}) => Promise<void>
  readonly usage: (args: {}) => Promise<Usage>
}

export interface Verbs {
  readonly producer: Producer
  readonly worker: Worker
}

export interface Request {
  readonly id: number
  readonly verb: string
  readonly args: object
}

/** `id` is 0 in the first message of a process: it is ready. */
export type Reply = { readonly id: number; readonly value: unknown } | { readonly id: number; readonly error: string }
