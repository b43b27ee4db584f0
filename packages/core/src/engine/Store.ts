/**
 * All the state there is, as plain data that transitions change in place. One thread, one transition at a time.
 *
 * ```
 *  Store ── runs ── Run ── root Frame ── Cells (one per node of the body)
 *    │                                     └── Expansion ── Frames, one per released element ── Cells …
 *    ├── queues ── Queue ── bands 0-9 of ready Cells; parked by task key; suspects
 *    ├── workers ── Worker ── what it holds, by nonce
 *    └── timers
 * ```
 *
 * A cell knows its join only by counts, so that the cost of an edge does not grow with their number.
 */
import * as MutableList from "effect/MutableList"
import type { Event, Failed, Payload, RunState, WorkerInfo } from "../Broker.ts"
import { none } from "../Phase.ts"
import type { Phase, Tally } from "../Phase.ts"
import type { BodyProgram, NodeProgram, Program } from "./Program.ts"
import * as Timers from "./Timers.ts"

export { isEnd } from "../Phase.ts"
export type { Phase } from "../Phase.ts"

/** One instance of a node. */
export interface Cell {
  readonly run: Run
  readonly frame: Frame
  readonly node: NodeProgram
  /** An end never changes within a generation. */
  phase: Phase

  // The join: what the edges resolved so far have said.
  /** Whether the gate has still to fire. */
  gated: boolean
  /** Join edges not resolved yet. */
  pending: number
  /** The edge that fired first; -1 before. */
  from: number
  voids: number
  cancels: number
  /** What it dies of, and by which edge: for `all` the first death, for `any` the last cause, both in declaration order. */
  death: Cell | "cancelled" | undefined
  deathEdge: number

  // The end.
  /** The number of elements, for forks and collects. */
  count: number
  value: Payload | undefined
  /** How it failed, for a failed cell. */
  failed: Failed | undefined
  /** The failed cell it was skipped for. */
  cause: Cell | undefined

  // The work.
  /** Attempts that failed and were recorded. */
  tries: number
  /** Deliveries of the current attempt that were lost with their workers. */
  lost: number
  /** The fence: the nonce of the current or the last settled delivery; empty when a delivery was taken back. */
  nonce: string
  worker: string | undefined
  claimedAt: number
  /** Counts changes of phase, so that a timer set before one is known as stale. */
  ticket: number
  /** When it becomes ready again, while scheduled. */
  dueAt: number
  /** A fork's elements, once decided. */
  elements: ReadonlyArray<Payload> | undefined
  /** A collect's instances, once released. */
  expansion: Expansion | undefined
}

/** One instance of a body. */
export interface Frame {
  readonly body: BodyProgram
  /** The instance around it, and what it is an element of; nothing for the root. */
  readonly parent: Frame | undefined
  readonly expansion: Expansion | undefined
  readonly index: number
  readonly item: Payload
  readonly cells: Array<Cell>
}

/** The instances of one forEach. Elements from `frames.length` on are not released. */
export interface Expansion {
  readonly body: BodyProgram
  /** The frame of its fork and collect. */
  readonly frame: Frame
  readonly elements: ReadonlyArray<Payload>
  readonly frames: Array<Frame>
  /** Instances that ended. */
  ended: number
  /** No more instances are released: the collect ended, or the run closes. */
  dropped: boolean
}

/** Work deferred: edges of an ended cell from position `next` on, or instances to release. */
export type Deferred = { readonly cell: Cell; next: number } | { readonly expansion: Expansion }

export interface Run {
  readonly id: string
  readonly program: Program
  readonly input: Payload
  /** Elements of forks that the submission decided, by node. */
  readonly elements: ReadonlyMap<number, ReadonlyArray<Payload>>
  readonly onFailure: "cancel" | "finish"
  readonly submittedAt: number
  root: Frame
  state: RunState
  generation: number
  /** When it starts, while its start is delayed. */
  startAt: number | undefined
  /** Set once: no node that is not cleanup starts any more. */
  closing: "cancel" | "failure" | undefined
  /** The outcome, once the exit has ended. */
  decided: Exclude<RunState, "running"> | undefined
  /** Cells that have not ended. */
  open: number
  endedAt: number | undefined
  readonly worklist: MutableList.MutableList<Deferred>
  /** Cells by phase, per plan node. */
  readonly tally: Array<NodeTally>
}

export type NodeTally = { -readonly [phase in keyof Tally]: number } & { busy: number; retries: number }

/** A place in a list of ready cells. The cell may leave the phase without leaving the list (cancelled, expired). */
export interface Entry {
  readonly cell: Cell
  /** The cell's, when it became ready: with another one by now the entry says nothing. */
  readonly ticket: number
}

/** Ready cells by priority, 0 to 9. */
export type Bands = ReadonlyArray<MutableList.MutableList<Entry>>

export const makeBands = (): Bands => Array.from({ length: 10 }, () => MutableList.make<Entry>())

export interface Suspect extends Entry {
  readonly since: number
  reservedBy: string | undefined
}

export interface Queue {
  readonly name: string
  readonly bands: Bands
  /** Ready cells that a worker met and could not run, by task key and in their order: an unknown task never blocks a band. */
  parked: ReadonlyMap<string, Bands>
  /** Ready cells over which workers died, more than one as a rule: claimed alone, so that a crash blames nobody else. */
  readonly suspects: Array<Suspect>
}

export interface Worker {
  info: WorkerInfo
  readonly tasks: Set<string>
  leaseUntil: number
  readonly holding: Map<string, Cell>
  /** Nonces it holds and is asked to stop. */
  readonly interrupts: Set<string>
  /** The nonce of a suspect it holds; it gets nothing else meanwhile. */
  alone: string | undefined
}

/** A cell that was given up because workers died over it. */
export interface Dead {
  readonly cell: Cell
  /** The cell's, when it was given up: with another one by now it has started again. */
  readonly ticket: number
  readonly since: number
}

export interface Options {
  /** Milliseconds. */
  readonly lease: number
  readonly maxDeliveries: number
  /** Characters of one recorded value. */
  readonly payloadLimit: number
  readonly retention: { readonly age: number; readonly count: number }
  /** Edges and instances that one transition handles at most; the rest is continued by the next. */
  readonly slice: number
}

export interface Store {
  readonly options: Options
  readonly runs: Map<string, Run>
  /** Programs by plan hash. */
  readonly programs: Map<string, Program>
  readonly queues: Map<string, Queue>
  readonly workers: Map<string, Worker>
  readonly timers: Timers.Timers<Timer>
  /** Runs with deferred work. */
  readonly deferred: Set<Run>
  /** Ended runs by state, in the order of their ends. */
  readonly finished: {
    readonly [S in Exclude<RunState, "running">]: MutableList.MutableList<{
      readonly run: Run
      readonly generation: number
    }>
  }
  /** In the order they were given up: see deadLetters.ts. */
  dead: Array<Dead>

  /** Of what was handed out last. */
  fence: number

  // What a transition has to tell; whoever calls it takes and clears these.
  /** Whether anybody listens to events. */
  watched: boolean
  events: Array<Event>
  ended: Array<Run>
  /** Queues that have got something to claim. */
  woken: Set<string>
  /** Workers that hold something whose run has begun to close. */
  interrupted: Set<string>
}

/** A timer for a cell (its phase says what for), or for the delayed start of a run. */
export type Timer = { readonly cell: Cell; readonly ticket: number } | { readonly run: Run }

export const make = (options: Options): Store => ({
  options,
  runs: new Map(),
  programs: new Map(),
  queues: new Map(),
  workers: new Map(),
  timers: Timers.make(),
  deferred: new Set(),
  finished: { succeeded: MutableList.make(), failed: MutableList.make(), cancelled: MutableList.make() },
  dead: [],
  fence: 0,
  watched: false,
  events: [],
  ended: [],
  woken: new Set(),
  interrupted: new Set()
})

const makeQueue = (name: string): Queue => ({
  name,
  bands: makeBands(),
  parked: new Map(),
  suspects: []
})

export const queueOf = (store: Store, name: string): Queue => {
  let queue = store.queues.get(name)
  if (queue === undefined) store.queues.set(name, (queue = makeQueue(name)))
  return queue
}

export const makeTally = (): NodeTally => ({ ...none, busy: 0, retries: 0 })

/** A blocked cell, counted as open. */
export const makeCell = (run: Run, frame: Frame, node: NodeProgram): Cell => {
  run.open++
  run.tally[node.index]!.blocked++
  return {
    run,
    frame,
    node,
    phase: "blocked",
    gated: node.gate !== undefined,
    pending: node.edges.length,
    from: -1,
    voids: 0,
    cancels: 0,
    death: undefined,
    deathEdge: -1,
    count: 0,
    value: undefined,
    failed: undefined,
    cause: undefined,
    tries: 0,
    lost: 0,
    nonce: "",
    worker: undefined,
    claimedAt: 0,
    ticket: 0,
    dueAt: 0,
    elements: undefined,
    expansion: undefined
  }
}

/** The instance of a plan node that a cell of this frame sees: in the frame itself or in one around it. */
export const visible = (frame: Frame, node: NodeProgram): Cell => {
  let at: Frame = frame
  while (at.body.index !== node.body) at = at.parent!
  return at.cells[node.local]!
}

/** All frames of a run, the root first. */
export function* frames(run: Run): Generator<Frame> {
  const stack: Array<Frame> = [run.root]
  while (stack.length > 0) {
    const frame = stack.pop()!
    yield frame
    for (const cell of frame.cells) {
      if (cell.expansion !== undefined) for (const inner of cell.expansion.frames) stack.push(inner)
    }
  }
}

/** The compact address of a cell: see `plan/Address`. */
export const addressOf = (cell: Cell): string => {
  let address = String(cell.node.index)
  for (let frame: Frame | undefined = cell.frame; frame?.expansion !== undefined; frame = frame.parent) {
    const { body, frame: around } = frame.expansion
    address = `${around.cells[body.collect]!.node.index}.${frame.index}.${address}`
  }
  return address
}
