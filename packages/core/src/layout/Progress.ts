/**
 * The state of a run, laid over a picture: what a node's plan nodes have been through, as one state and a few numbers.
 */
import type { NodeProgress, RunView } from "../Broker.ts"
import * as Phase from "../Phase.ts"
import type { EachNode, Picture, PictureNode } from "./Picture.ts"
import * as Text from "./Text.ts"

export interface Progress {
  readonly state: Phase.Phase
  /** Steps or elements that have ended, however. */
  readonly done: number
  readonly total: number
  /** False while more may come: a `forEach` that is not decided everywhere. */
  readonly known: boolean
  /** Those of them on branches not taken. */
  readonly void: number
  readonly failed: number
  readonly retries: number
  /** Milliseconds of an attempt, on average; nothing before the first one ended. */
  readonly mean: number | undefined
}

const add = (a: NodeProgress, b: NodeProgress): NodeProgress => ({
  ...Phase.tally((phase) => a[phase] + b[phase]),
  total: a.total + b.total,
  expected: a.expected + b.expected,
  known: a.known && b.known,
  busy: a.busy + b.busy,
  retries: a.retries + b.retries
})

const nothing: NodeProgress = { ...Phase.none, total: 0, expected: 0, known: true, busy: 0, retries: 0 }

const sum = (run: RunView, nodes: ReadonlyArray<number>): NodeProgress =>
  nodes.reduce((total, node) => add(total, run.nodes[node] ?? nothing), nothing)

/** One phase for many: what moves comes first, then a failure, then what waits or is yet to come. */
const order = Phase.inOrder(
  "running",
  "ready",
  "scheduled",
  "failed",
  "blocked",
  "cancelled",
  "succeeded",
  "skipped",
  "void"
)

const combined = (progress: NodeProgress): Phase.Phase => {
  const tally = { ...progress, blocked: progress.blocked + progress.expected - progress.total }
  return order.find((phase) => tally[phase] > 0) ?? "blocked"
}

/** All plan nodes whose attempts are part of a picture. */
const work = (picture: Picture): ReadonlyArray<number> =>
  picture.nodes.flatMap((node) => (node.kind === "each" ? [...node.forks, ...work(node.body)] : node.steps))

export const of = (node: PictureNode, run: RunView): Progress => {
  if (node.kind === "each") return ofEach(node, run)
  const progress = sum(run, node.steps)
  const attempts = progress.succeeded + progress.failed + progress.retries
  return {
    state: combined(progress),
    done: Phase.ended(progress),
    total: progress.expected,
    known: progress.known,
    void: progress.void,
    failed: progress.failed,
    retries: progress.retries,
    mean: progress.busy > 0 && attempts > 0 ? progress.busy / attempts : undefined
  }
}

const ofEach = (node: EachNode, run: RunView): Progress => {
  const collect = sum(run, node.steps)
  const instances = sum(run, node.exits)
  const body = sum(run, work(node.body))
  const fork = sum(run, node.forks)
  const over = collect.total > 0 && Phase.ended(collect) === collect.expected
  const done = Phase.ended(instances)
  // An instance fails at one of its steps; its exit is skipped then, unless the exit is that step.
  const failed = instances.failed + instances.skipped
  const open = combined(add(body, fork))
  return {
    state: over
      ? collect.succeeded > 0
        ? "succeeded"
        : failed > 0 || fork.failed > 0
          ? "failed"
          : combined(collect)
      : open === "running" || open === "ready" || open === "scheduled"
        ? open
        : instances.total > 0
          ? "running"
          : "blocked",
    done,
    total: instances.expected,
    known: instances.known,
    void: instances.void,
    failed,
    retries: body.retries + fork.retries,
    mean: done > 0 && body.busy > 0 ? body.busy / done : undefined
  }
}

/** Calls of tasks, those in bodies included: how many have ended, run, failed, were tried again. */
export const summary = (picture: Picture, run: RunView): string => {
  const calls = (inner: Picture): ReadonlyArray<number> =>
    inner.nodes.flatMap((node) => (node.kind === "each" ? calls(node.body) : node.kind === "task" ? node.steps : []))
  const all = sum(run, calls(picture))
  const parts = [
    [all.running, "running"],
    [all.ready, "ready"],
    [all.scheduled, "scheduled"],
    [all.failed, "failed"],
    [all.cancelled, "cancelled"],
    [all.retries, "retried"]
  ] as const
  const done = `${Text.count(Phase.ended(all))} of ${Text.count(all.expected)} steps done`
  return [done, ...parts.filter(([value]) => value > 0).map(([value, word]) => `${Text.count(value)} ${word}`)].join(
    ", "
  )
}
