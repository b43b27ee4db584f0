/**
 * Random plans drawn at the level of the kernel: any join over any edges, gates and cleanup anywhere, bodies in bodies.
 * Much of it no flow compiles to. Nothing is known of how they shall end, but that they must.
 */
import type { Plan, Policy } from "../../src/plan/Document.ts"
import * as PlanBuilder from "../../src/testing/PlanBuilder.ts"
import type { Random } from "./Random.ts"

type Source = PlanBuilder.Source
type Step = PlanBuilder.Step

export const queues = ["default", "slow"]
export const tasks = ["a", "b", "c", "d"]
export const tags = ["A", "B", "C"]

/** How large a plan is: bodies in bodies, and nodes in each. */
interface Size {
  readonly depth: number
  readonly steps: number
}

export const make = (random: Random): Plan => {
  const names = new Map<string, number>()
  const name = (kind: string): string => {
    const count = (names.get(kind) ?? 0) + 1
    names.set(kind, count)
    return `${kind}${count}`
  }

  const source = (step: Step): Source => {
    const kind = random.below(20)
    if (kind === 0) return PlanBuilder.branch(step, random.pick([0, 0, 1, 2]))
    if (kind < 4) return PlanBuilder.settled(step)
    if (kind === 4) return PlanBuilder.failed(step, random.pick(["any", "declared"] as const))
    if (kind === 5) return PlanBuilder.failed(step, random.some(tags, 0.6))
    return step
  }

  const wiring = (visible: ReadonlyArray<Step>): PlanBuilder.Wiring => {
    const join = random.pick(["all", "all", "all", "any", "settled"] as const)
    const least = join === "any" ? 1 : 0
    const edges = visible.length === 0 ? 0 : random.between(least, Math.min(4, visible.length))
    const recent = (): Step =>
      visible[Math.max(0, visible.length - 1 - Math.floor(random.next() ** 2 * visible.length))]!
    return {
      join: edges === 0 ? "all" : join,
      after: Array.from({ length: edges }, () => source(recent())),
      gate: visible.length > 0 && random.chance(0.2) ? source(recent()) : undefined,
      cleanup: random.chance(0.15) ? true : undefined
    }
  }

  const fill = (p: PlanBuilder.Builder, around: ReadonlyArray<Step>, size: Size): Step => {
    const own: Array<Step> = []
    const visible = () => [...around, ...own]
    const count = random.between(1, size.steps)
    for (let i = 0; i < count; i++) {
      const kind = random.below(10)
      if (kind < 6)
        own.push(p.task(name("t"), { ...wiring(visible()), task: random.pick(tasks), policy: policy(random) }))
      else if (kind < 8 || size.depth === 0) own.push(p.pass(name("p"), wiring(visible())))
      else {
        const over = own.length > 0 && random.chance(0.8) ? random.pick(visible()) : "input"
        const options: PlanBuilder.EachOptions = {
          over,
          concurrency: random.chance(0.5) ? random.between(1, 2) : undefined,
          join: random.pick(["all", "all", "settled", "any"] as const),
          cleanup: random.chance(0.1) ? true : undefined
        }
        const inside = { depth: size.depth - 1, steps: Math.max(1, size.steps - 2) }
        own.push(p.each(name("e"), options, (p) => fill(p, random.some(visible(), 0.4), inside)))
      }
    }
    return random.chance(0.7) ? own[own.length - 1]! : random.pick(own)
  }

  return PlanBuilder.make("kernel", (p) => fill(p, [], { depth: random.below(4), steps: random.between(3, 12) }))
}

/** Much work and little order: what matters is who gets it. */
/** One task. */
export const alone = (random: Random): Plan =>
  PlanBuilder.make("alone", (p) => p.task("alone", { task: random.pick(tasks), policy: policy(random) }))

export const wide = (random: Random): Plan =>
  PlanBuilder.make("fleet", (p) => {
    const policies = Array.from({ length: random.between(1, 3) }, () => policy(random))
    const steps = Array.from({ length: random.between(4, 16) }, (_, i) =>
      p.task(`t${i}`, {
        task: random.pick(tasks),
        policy: random.pick(policies),
        cleanup: random.chance(0.1) ? true : undefined
      })
    )
    const last = p.task("last", { after: random.some(steps, 0.3), task: random.pick(tasks) })
    return p.pass("all", { after: [...random.some(steps, 0.5), last], join: random.pick(["all", "settled"] as const) })
  })

const policy = (random: Random): Policy => ({
  ...(random.chance(0.3) ? { queue: random.pick(queues) } : {}),
  ...(random.chance(0.3) ? { priority: random.between(0, 9) } : {}),
  ...(random.chance(0.4) ? { attempts: random.between(2, 3) } : {}),
  ...(random.chance(0.3)
    ? { backoff: random.pick(["fixed", "exponential"] as const), base: random.between(1, 500) }
    : {}),
  ...(random.chance(0.2) ? { max: random.between(1, 800), jitter: random.chance(0.5) } : {}),
  ...(random.chance(0.2) ? { except: random.some(tags, 0.5) } : {}),
  ...(random.chance(0.15) ? { expires: random.between(1, 2_000) } : {}),
  ...(random.chance(0.15) ? { delay: random.between(1, 2_000) } : {})
})
