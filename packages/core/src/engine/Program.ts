/**
 * A program is a plan made ready to run: for every node its policy with defaults filled in, and its outgoing edges in the
 * order of declaration. Made once per plan hash and shared by all its runs.
 */
import * as Defaults from "../Defaults.ts"
import type { Condition, Edge, Node, Plan, Policy } from "../plan/Document.ts"

/** An edge seen from its source. */
export interface OutEdge {
  /** The target, by its position in the same body. */
  readonly to: number
  readonly when: Condition
  /** Its position among the target's join edges; -1 for the target's gate. */
  readonly edge: number
}

/** An edge seen from its target. `local` is the source's position in the same body; -1 when it is in an enclosing one. */
export interface InEdge {
  readonly from: number
  readonly local: number
  readonly when: Condition
}

export interface NodeProgram {
  /** Its number in the plan. */
  readonly index: number
  /** Its position in its body. */
  readonly local: number
  readonly body: number
  readonly node: Node
  readonly work: boolean
  readonly cleanup: boolean
  /** The key of its task; nothing for built-in work and passes. */
  readonly task: string | undefined
  readonly policy: ResolvedPolicy
  readonly gate: InEdge | undefined
  readonly edges: ReadonlyArray<InEdge>
  readonly out: ReadonlyArray<OutEdge>
  /** The body whose elements it knows. */
  readonly forks: BodyProgram | undefined
  /** The body whose instances its success makes. */
  readonly releases: BodyProgram | undefined
  /** The body whose instance ends when it does. */
  readonly exitOf: BodyProgram | undefined
  /** The body whose instances it joins. */
  readonly collects: BodyProgram | undefined
}

export interface BodyProgram {
  readonly index: number
  readonly first: number
  readonly nodes: ReadonlyArray<NodeProgram>
  readonly exit: number
  /** Positions of its fork, release and collect in the parent body; -1 for the root. */
  readonly fork: number
  readonly release: number
  readonly collect: number
  readonly concurrency: number
}

export type ResolvedPolicy = Required<Omit<Policy, "timeout" | "expires">> & {
  readonly timeout: number | undefined
  readonly expires: number | undefined
}

export interface Program {
  readonly plan: Plan
  readonly hash: string
  readonly bodies: ReadonlyArray<BodyProgram>
  /** By number in the plan. */
  readonly nodes: ReadonlyArray<NodeProgram>
}

const resolvePolicy = (policy: Policy | undefined): ResolvedPolicy => ({
  queue: policy?.queue ?? Defaults.policy.queue,
  priority: policy?.priority ?? Defaults.policy.priority,
  attempts: policy?.attempts ?? Defaults.policy.attempts,
  backoff: policy?.backoff ?? Defaults.policy.backoff,
  base: policy?.base ?? Defaults.policy.base,
  max: policy?.max ?? Defaults.policy.max,
  jitter: policy?.jitter ?? Defaults.policy.jitter,
  except: policy?.except ?? [],
  timeout: policy?.timeout,
  expires: policy?.expires,
  delay: policy?.delay ?? 0
})
const defaultPolicy = resolvePolicy(undefined)

type Mutable<A> = { -readonly [K in keyof A]: A[K] }

export const make = (plan: Plan, hash: string): Program => {
  const nodes: Array<Mutable<NodeProgram> & { out: Array<OutEdge> }> = []
  const bodies: Array<BodyProgram> = plan.bodies.map((body, index) => {
    const parent = body._tag === "Each" ? plan.bodies[body.parent]! : undefined
    const own: Array<NodeProgram> = []
    for (let i = body.first; i < body.first + body.count; i++) {
      const node = plan.nodes[i]!
      const inEdge = (edge: Edge): InEdge => ({
        from: edge.from,
        local: edge.from >= body.first && edge.from < body.first + body.count ? edge.from - body.first : -1,
        when: edge.when ?? "success"
      })
      const work = node._tag === "Task" || node._tag === "Decide"
      nodes[i] = {
        index: i,
        local: i - body.first,
        body: index,
        node,
        work,
        cleanup: node.cleanup ?? false,
        task: node._tag === "Task" ? node.task : undefined,
        policy: work && node.policy !== undefined ? resolvePolicy(node.policy) : defaultPolicy,
        gate: node.gate === undefined ? undefined : inEdge(node.gate),
        edges: node.edges.map(inEdge),
        out: [],
        forks: undefined,
        releases: undefined,
        exitOf: undefined,
        collects: undefined
      }
      own.push(nodes[i]!)
    }
    return {
      index,
      first: body.first,
      nodes: own,
      exit: body.exit - body.first,
      fork: body._tag === "Each" ? body.fork - parent!.first : -1,
      release: body._tag === "Each" ? body.release - parent!.first : -1,
      collect: body._tag === "Each" ? body.collect - parent!.first : -1,
      concurrency: body._tag === "Each" ? (body.concurrency ?? Infinity) : Infinity
    }
  })
  plan.bodies.forEach((body, index) => {
    nodes[body.exit]!.exitOf = bodies[index]!
    if (body._tag === "Root") return
    nodes[body.fork]!.forks = bodies[index]!
    nodes[body.release]!.releases = bodies[index]!
    nodes[body.collect]!.collects = bodies[index]!
  })
  for (const node of nodes) {
    // A source tells a node's gate before its join edges, so that an edge recorded at the same instant counts.
    if (node.gate !== undefined && node.gate.local >= 0)
      nodes[node.gate.from]!.out.push({ to: node.local, when: node.gate.when, edge: -1 })
    node.edges.forEach((edge, position) => {
      if (edge.local >= 0) nodes[edge.from]!.out.push({ to: node.local, when: edge.when, edge: position })
    })
  }
  return { plan, hash, bodies, nodes }
}
