/**
 * What there is to see in a store, read and put into text or JSON.
 */
import type { Broker, NodeView, RunState } from "@arpeggio/core/Broker"
import * as Client from "@arpeggio/core/Client"
import * as Diagram from "@arpeggio/core/Diagram"
import type { BrokerUnavailable, RunDamaged, RunNotFound } from "@arpeggio/core/Failure"
import { NodeNotFound } from "@arpeggio/core/Failure"
import type { Plan } from "@arpeggio/core/Plan"
import * as Address from "@arpeggio/core/plan/Address"
import * as Effect from "effect/Effect"
import * as DeadLetters from "./DeadLetters.ts"
import { WrongUse } from "./ExitCode.ts"
import * as FailureText from "./FailureText.ts"
import * as Figures from "./Figures.ts"
import * as LiveView from "./LiveView.ts"
import * as MissingWorkers from "./MissingWorkers.ts"
import * as NodeTable from "./NodeTable.ts"
import * as RunTable from "./RunTable.ts"
import * as Suggestion from "./Suggestion.ts"
import * as Why from "./Why.ts"

/** What is printed: lines for people, a document for programs. */
export interface Page {
  readonly lines: ReadonlyArray<string>
  readonly document: unknown
}

export const print = ({ lines, document }: Page, json: boolean): void =>
  void process.stdout.write(
    json ? `${JSON.stringify(document, undefined, 2)}\n` : lines.map((line) => `${line}\n`).join("")
  )

export const runs = (options: {
  readonly state: RunState | undefined
  readonly limit: number
}): Effect.Effect<Page, BrokerUnavailable, Broker> =>
  Effect.map(Client.runs(options), (runs) => ({
    lines:
      runs.length === 0
        ? [`There are no ${options.state === undefined ? "" : `${options.state} `}runs.`]
        : [
            ...RunTable.list(runs, Date.now()),
            ...(runs.length === options.limit
              ? [`The newest ${Figures.count(options.limit)}: --limit shows more.`]
              : [])
          ],
    document: runs
  }))

/** How many are shown of what is no table of its own: instances that are not at rest, tasks of a worker. */
const most = 10

/** How many instances are looked at for it. */
const searched = 10_000

/** A run as a whole, its nodes, what of it goes on, and what it failed with. `flags` are what finds the store. */
export const show = (
  run: string,
  flags: string
): Effect.Effect<Page, RunNotFound | RunDamaged | BrokerUnavailable, Broker> =>
  Effect.gen(function* () {
    const plan = yield* Client.plan(run)
    const view = yield* Client.run(run)
    const workers = yield* Client.workers
    const now = Date.now()
    const open = view.state === "running" ? yield* openNodes(run) : []
    const missing = MissingWorkers.of(plan, view, workers)
    const { failure } = view
    const shown = open.slice(0, most)
    return {
      lines: [
        ...RunTable.heading(view, now),
        "",
        ...NodeTable.byNode(plan, view),
        ...(shown.length === 0 ? [] : ["", ...NodeTable.byInstance(plan, shown, workers, now)]),
        ...(open.length > most ? [`… and more: --instances shows all.`] : []),
        ...(failure === undefined
          ? []
          : [
              "",
              `Failed at ${Address.toId(plan, failure.node)}, attempt ${failure.attempt}: ${FailureText.whole(failure.failed)}`
            ]),
        ...(missing.length === 0 ? [] : ["", ...MissingWorkers.inWords(missing, "<module with the handlers>", flags)]),
        "",
        ...advice(view.state, run, flags)
      ],
      document: {
        ...view,
        nodes: NodeTable.rows(plan, view).map(({ progress, ...row }) => ({ ...row, ...progress })),
        missing
      }
    }
  })

const advice = (state: RunState, run: string, flags: string): ReadonlyArray<string> => {
  switch (state) {
    case "running":
      return [`Watch it:  arpeggio watch ${run}${flags}`]
    case "succeeded":
      return [`Its value:  arpeggio result ${run}${flags}`]
    case "failed":
    case "cancelled":
      return [`Run what did not succeed again:  arpeggio retry ${run}${flags}`]
  }
}

/** What is running, ready or scheduled. */
const openNodes = (
  run: string
): Effect.Effect<ReadonlyArray<NodeView>, RunNotFound | RunDamaged | BrokerUnavailable, Broker> =>
  Effect.map(Client.nodes(run, { limit: searched }), (nodes) =>
    nodes.filter(({ state }) => state === "running" || state === "ready" || state === "scheduled")
  )

/** Every instance of every node, `limit` at most. */
export const instances = (
  run: string,
  limit: number
): Effect.Effect<Page, RunNotFound | RunDamaged | BrokerUnavailable, Broker> =>
  Effect.gen(function* () {
    const plan = yield* Client.plan(run)
    const nodes = yield* Client.nodes(run, { limit })
    const workers = yield* Client.workers
    const work = nodes.filter(({ address }) => isWork(plan, address))
    return {
      lines: [
        ...NodeTable.byInstance(plan, work, workers, Date.now()),
        ...(nodes.length === limit ? [`The first ${Figures.count(limit)}: --limit shows more.`] : [])
      ],
      document: work.map((node) => ({ node: Address.toId(plan, node.address), ...node }))
    }
  })

const isWork = (plan: Plan, address: string): boolean => {
  const tag = plan.nodes[Address.parse(address)!.node]?._tag
  return tag === "Task" || tag === "Decide"
}

/** What a node waits for, by its readable id or its address. */
export const why = (
  run: string,
  node: string
): Effect.Effect<Page, RunNotFound | RunDamaged | NodeNotFound | BrokerUnavailable | WrongUse, Broker> =>
  Effect.gen(function* () {
    const plan = yield* Client.plan(run)
    const address = yield* locate(plan, run, node)
    const view = yield* Client.run(run)
    const nodes = yield* Client.nodes(run, { limit: Number.MAX_SAFE_INTEGER })
    const reason = Why.explain(
      {
        plan,
        view,
        nodes: new Map(nodes.map((each) => [each.address, each])),
        workers: yield* Client.workers,
        now: Date.now()
      },
      address
    )
    return { lines: Why.toLines(reason), document: { run, ...reason } }
  })

const locate = (plan: Plan, run: string, typed: string): Effect.Effect<string, NodeNotFound | WrongUse> => {
  const address = Address.fromId(plan, typed)
  const at = address === undefined ? undefined : Address.parse(address)
  const ids = plan.nodes.map((_, i) => NodeTable.idOf(plan, i))
  if (address === undefined || at === undefined || ids[at.node] === undefined) {
    const near = Suggestion.nearest(typed, ids)
    if (near === undefined) return Effect.fail(new NodeNotFound({ run, node: typed }))
    const message = `Run ${run} has no node ${typed}. Did you mean ${near.replaceAll("[*]", "[0]")}?`
    return Effect.fail(new WrongUse({ reason: "NodeNotFound", message }))
  }
  const expected = ids[at.node]!
  if (at.frame.length === expected.split("[*]").length - 1) return Effect.succeed(address)
  const message = `${typed} is there once for each element. Name one: ${expected.replaceAll("[*]", "[0]")}.`
  return Effect.fail(new WrongUse({ reason: "NodeNotFound", message }))
}

/** A drawing of a run with its states. */
export const draw = (
  run: string,
  options: Pick<Diagram.Options, "style" | "width" | "color">
): Effect.Effect<Page, RunNotFound | RunDamaged | BrokerUnavailable, Broker> =>
  Effect.gen(function* () {
    const plan = yield* Client.plan(run)
    const view = yield* Client.run(run)
    return {
      lines: [Diagram.text(plan, { ...options, run: view }), "", LiveView.statusLine(plan, view)],
      document: { ...Diagram.picture(plan), run: view }
    }
  })

export const queues: Effect.Effect<Page, BrokerUnavailable, Broker> = Effect.gen(function* () {
  const queues = yield* Client.queues
  const workers = yield* Client.workers
  const rows = queues.map(({ queue, ready, unroutable }) => {
    const able = workers.filter((worker) => worker.queues.includes(queue))
    const slots = able.reduce((sum, worker) => sum + worker.concurrency, 0)
    const stuck = Object.entries(unroutable).map(([task, count]) => `${task} (${Figures.count(count)})`)
    return [
      queue,
      Figures.count(ready),
      Figures.count(able.length),
      Figures.count(slots),
      stuck.length > 0 ? stuck.join(", ") : able.length === 0 && ready > 0 ? "all: no worker takes from it" : "-"
    ]
  })
  return {
    lines:
      rows.length === 0
        ? ["There are no queues: nothing was submitted yet."]
        : Figures.table(
            [
              { title: "queue", align: "left" },
              { title: "ready", align: "right" },
              { title: "workers", align: "right" },
              { title: "slots", align: "right" },
              { title: "no known worker can run", align: "left" }
            ],
            rows
          ),
    document: queues
  }
})

export const workers: Effect.Effect<Page, BrokerUnavailable, Broker> = Effect.map(Client.workers, (workers) => {
  const now = Date.now()
  const rows = workers.map(({ id, host, running, concurrency, queues, tasks, leaseUntil }) => [
    id,
    host,
    `${Figures.count(running)} of ${Figures.count(concurrency)}`,
    leaseUntil < now ? "over" : Figures.duration(leaseUntil - now),
    queues.join(", "),
    tasks.length <= most ? tasks.join(", ") : `${tasks.slice(0, most).join(", ")}, ${tasks.length - most} more`
  ])
  return {
    lines:
      rows.length === 0
        ? ["There are no workers. Start one: arpeggio worker <module>."]
        : Figures.table(
            [
              { title: "worker", align: "left" },
              { title: "host", align: "left" },
              { title: "running", align: "right" },
              { title: "lease", align: "right" },
              { title: "queues", align: "left" },
              { title: "tasks", align: "left" }
            ],
            rows
          ),
    document: workers
  }
})

/** Nodes over which workers died, newest first. `flags` are what finds the store. */
export const dead = (limit: number, flags: string): Effect.Effect<Page, BrokerUnavailable, Broker> =>
  Effect.map(Client.dead({ limit }), (letters) => ({
    lines:
      letters.length === 0
        ? ["There are no dead letters: no node was given up because workers died over it."]
        : [
            ...DeadLetters.toLines(letters, flags, Date.now()),
            ...(letters.length === limit ? ["", `The newest ${Figures.count(limit)}: --limit shows more.`] : [])
          ],
    document: letters.map((letter) => ({ ...letter, ...DeadLetters.remedyOf(letter, flags) }))
  }))
