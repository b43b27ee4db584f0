/**
 * Runs seeds: each is a world of its own, with its plans, its workers and its faults.
 */
import type { Engine } from "./Engine.ts"
import * as Flows from "./Flows.ts"
import * as Kernel from "./Kernel.ts"
import { Random } from "./Random.ts"
import type { Scenario } from "./World.ts"
import { World } from "./World.ts"
import { Wrong } from "./Wrong.ts"

export const kinds: { readonly [kind: string]: (random: Random, seed: number) => Scenario } = {
  kernel: Kernel.scenario,
  flows: Flows.scenario
}

/** What has to happen at least once in any thousand runs. */
export const faults: ReadonlyArray<string> = [
  "already Succeeded",
  "already Failed",
  "stale Succeeded",
  "recorded Interrupted",
  "lost deliveries",
  "suspect",
  "node failed: PoisonPill",
  "node failed: Expired",
  "run cancelled",
  "run failed",
  "retry of cancelled",
  "retry of failed",
  "retry from",
  "time goes back",
  "time jumps"
]

export interface Report {
  /** Runs submitted and ended, retries counted again. */
  runs: number
  /** Seeds. */
  worlds: number
  /** How often what happened. */
  readonly counts: Map<string, number>
}

export const makeReport = (): Report => ({ runs: 0, worlds: 0, counts: new Map() })

/** What went wrong with a seed, and how to see it again. */
export class Failed extends Error {
  readonly seed: number
  constructor(kind: string, seed: number, what: string, trace: ReadonlyArray<string>) {
    super(
      `Seed ${seed} of the ${kind} simulation:\n${what}\n\nAgain, with every event: pnpm simulate --kind ${kind} --seed ${seed} --runs 1 --verbose\n\n` +
        trace.slice(-40).join("\n")
    )
    this.seed = seed
  }
}

/** Lets one world live. Returns what was wrong with it, if anything. */
export const run = (
  engine: Engine,
  kind: string,
  seed: number,
  report: Report,
  trace?: Array<string>
): string | undefined => {
  const random = new Random(seed)
  const world = new World(engine, random, kinds[kind]!(random, seed), report.counts, trace)
  report.worlds++
  try {
    world.live()
    return undefined
  } catch (error) {
    return error instanceof Wrong ? error.message : String(error instanceof Error ? error.stack : error)
  } finally {
    for (const { generation } of world.store.runs.values()) report.runs += generation
  }
}

/** Lets worlds live until so many runs have ended. Throws `Failed` for the first that goes wrong. */
export const runMany = (engine: Engine, kind: string, firstSeed: number, runs: number): Report => {
  const report = makeReport()
  for (let seed = firstSeed; report.runs < runs; seed++) check(engine, kind, seed, report)
  return report
}

export const check = (engine: Engine, kind: string, seed: number, report: Report): void => {
  const what = run(engine, kind, seed, report)
  if (what === undefined) return
  const trace: Array<string> = []
  run(engine, kind, seed, makeReport(), trace)
  throw new Failed(kind, seed, what, trace)
}
