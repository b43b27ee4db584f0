/**
 * What a run has come to, without what may differ between two brokers that both are right: times, nonces, the order of
 * what happens at one instant.
 */
import * as Effect from "effect/Effect"
import type { Address, Broker, DeadLetter, Ended, NodeProgress, NodeView, RunView } from "../Broker.ts"
import type { BrokerUnavailable, RunDamaged, RunNotFound } from "../Failure.ts"

export interface Snapshot {
  readonly run: Pick<RunView, "id" | "flow" | "planHash" | "state" | "generation" | "cancelling" | "failure">
  /** By plan node; `busy` is left at 0. */
  readonly progress: ReadonlyArray<NodeProgress>
  /** Every instance, in the order of addresses. */
  readonly nodes: ReadonlyArray<Omit<NodeView, "dueAt"> & { readonly ended: Ended | undefined }>
  /** What is ready in each queue, as far as there is something. */
  readonly queues: { readonly [queue: string]: { readonly ready: number; readonly unroutable: object } }
  /** Those of the run, in the order of addresses. */
  readonly dead: ReadonlyArray<Omit<DeadLetter, "since">>
}

/** Instances read in one call. */
const page = 500

export const take = (
  broker: Broker["Service"],
  id: string
): Effect.Effect<Snapshot, RunNotFound | RunDamaged | BrokerUnavailable> =>
  Effect.gen(function* () {
    const { cancelling, failure, flow, generation, nodes: progress, planHash, state } = yield* broker.run(id)
    const nodes: Array<Snapshot["nodes"][number]> = []
    let after: Address | undefined
    for (;;) {
      const views = yield* broker.nodes(id, { after, limit: page })
      const ends = yield* broker.read(
        id,
        views.map((view) => view.address)
      )
      for (const [i, { dueAt: _, ...view }] of views.entries()) nodes.push({ ...view, ended: ends[i] })
      after = views.at(-1)?.address
      if (views.length < page) break
    }
    const queues = (yield* broker.queues)
      .filter((queue) => queue.ready > 0)
      .sort((a, b) => (a.queue < b.queue ? -1 : 1))
      .map(({ queue, ready, unroutable }) => [queue, { ready, unroutable: { ...unroutable } }] as const)
    const dead = (yield* broker.dead({ limit: page }))
      .filter(({ run }) => run === id)
      .map(({ since: _since, ...letter }) => letter)
      .sort((a, b) => (a.address < b.address ? -1 : 1))
    return {
      run: { id, flow, planHash, state, generation, cancelling, failure },
      progress: progress.map((counts) => ({ ...counts, busy: 0 })),
      nodes,
      queues: Object.fromEntries(queues),
      dead
    }
  })
