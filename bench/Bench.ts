/**
 * Runs workloads for peers, round by round, all peers of a workload right after each other: what disturbs the machine for
 * a minute disturbs all of them.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { BenchFailure } from "./Failure.ts"
import * as Machine from "./Machine.ts"
import type { Name } from "./Peer.ts"
import * as Peer from "./Peer.ts"
import * as Redis from "./Redis.ts"
import type { Failed, Report, Row } from "./Report.ts"
import * as Reports from "./Report.ts"
import * as Session from "./Session.ts"
import type { Workload } from "./Workload.ts"

export interface Options {
  readonly workloads: ReadonlyArray<Workload>
  readonly peers: ReadonlyArray<Name>
  /** What all sizes are multiplied by. */
  readonly scale: number
  readonly rounds: number
  /** A Redis that runs already and is empty. Default: one of its own. */
  readonly redis: string | undefined
  /** How it goes, a line at a time. */
  readonly tell: (line: string) => void
}

export const run = (options: Options): Effect.Effect<Report, BenchFailure, Scope.Scope> =>
  Effect.gen(function* () {
    const { rounds, scale, tell, workloads } = options
    const begin = performance.now()
    const [at, load, before] = [new Date().toISOString(), Machine.load(), Machine.jiffies()]
    const found = yield* Effect.promise(() => Peer.find(options.peers))
    const peers = found.filter((peer) => "command" in peer)
    const missing = found.filter((peer) => "missing" in peer)
    for (const peer of missing) tell(`${peer.title}: ${peer.missing}`)
    const redis = yield* options.redis === undefined ? Redis.own : Redis.connect(options.redis)

    const rows: Array<Row> = []
    const failures: Array<Failed> = []
    const turns = rounds * workloads.length * peers.length
    let turn = 0
    for (let round = 1; round <= rounds; round++) {
      for (const workload of workloads) {
        for (const peer of peers) {
          const started = performance.now()
          const what = `[${++turn}/${turns}] round ${round}, ${workload.id} ${workload.title}: ${peer.title}`
          const figures = yield* Session.open(peer, redis, scale).pipe(
            Effect.flatMap(workload.run),
            Effect.scoped,
            // The others are still worth knowing.
            Effect.catch((failure) =>
              Effect.sync(() => {
                failures.push({ workload: workload.id, peer: peer.title, round, message: failure.message })
                tell(failure.message)
                return []
              })
            )
          )
          Reports.add(rows, workload.id, peer.name, figures)
          tell(`${what}, ${((performance.now() - started) / 1_000).toFixed(1)} s`)
        }
      }
    }
    yield* redis.empty

    const after = Machine.jiffies()
    return {
      at,
      minutes: (performance.now() - begin) / 60_000,
      machine: Machine.describe(),
      load,
      stolen:
        before === undefined || after === undefined
          ? undefined
          : (after.stolen - before.stolen) / Math.max(1, after.all - before.all),
      redis: redis.version,
      rounds,
      scale,
      workloads,
      peers,
      missing,
      rows: Reports.sorted(rows, workloads),
      failures
    }
  })
