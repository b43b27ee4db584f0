/**
 * A plan is a flow compiled to data: what a run executes, what a broker stores, what a diagram draws. It is JSON with a
 * schema and a version, it never changes, and its hash names it: a flow that runs a million times is stored once.
 *
 * A plan has **nodes** (work that goes to a queue, and passes that only route), each with a *join* over its incoming
 * *edges* and at most one *gate*; **bodies**, the parts that are instantiated as a whole (body 0 is the flow itself,
 * once per run; every further one belongs to a `forEach`, once per element); and **regions**, the callbacks the user
 * wrote, for drawings. Values are never copied along edges: a node's input is a **template** over recorded outcomes.
 *
 * Nodes are numbered from 0, the nodes of one body are neighbours, and all references are such numbers. Readable ids
 * (`resize#2`) are for people; `addressOf` names one instance at run time.
 */
import * as Schema from "effect/Schema"

/** A JSON value, as recorded. */
export type Json = Schema.Json

/** Where in a JSON value: object keys and array indices from the root. */
export type Path = ReadonlyArray<string | number>
const Path = Schema.Array(Schema.Union([Schema.String, Schema.Int]))

/** Which end of its source lets an edge fire. Without one: success. */
export type Condition =
  | "success"
  | "settled"
  /** The source ended ok and chose this branch. */
  | { readonly branch: number }
  /** The failure that reached the source: any, one the task declares, or one of these tags. */
  | { readonly failure: "any" | "declared" | ReadonlyArray<string> }
const Condition = Schema.Union([
  Schema.Literals(["success", "settled"]),
  Schema.Struct({ branch: Schema.Int }),
  Schema.Struct({ failure: Schema.Union([Schema.Literals(["any", "declared"]), Schema.Array(Schema.String)]) })
])

/** An incoming edge: from which node, and on which end of it. */
export interface Edge {
  readonly from: number
  readonly when?: Condition
}
const Edge: Schema.Codec<Edge> = Schema.Struct({ from: Schema.Int, when: Schema.optionalKey(Condition) })

/**
 * How a value is put together from recorded ones, all in their encoded JSON form.
 *
 * A reference to an absent optional field gives nothing: `struct` leaves the key out, elsewhere it reads as null.
 */
export type Template =
  | { readonly literal: Json }
  /** The run's input. */
  | { readonly input: Path }
  /** The value of a node of the same body, or of an enclosing one. */
  | { readonly node: number; readonly path: Path }
  /** The error of the failure that reached this node. */
  | { readonly error: number; readonly path: Path }
  /** The element an instance of this body was made for. */
  | { readonly item: number; readonly path: Path }
  /** The position of that element, from 0. */
  | { readonly index: number }
  | { readonly struct: { readonly [key: string]: Template } }
  | { readonly tuple: ReadonlyArray<Template> }
  /** The template at the position of the edge that let this node's `any` join fire. */
  | { readonly from: ReadonlyArray<Template> }
  /** The values of all instances of this body, in the order of the elements. */
  | { readonly instances: number }
const Template: Schema.Codec<Template> = Schema.Union([
  Schema.Struct({ literal: Schema.Json }),
  Schema.Struct({ input: Path }),
  Schema.Struct({ node: Schema.Int, path: Path }),
  Schema.Struct({ error: Schema.Int, path: Path }),
  Schema.Struct({ item: Schema.Int, path: Path }),
  Schema.Struct({ index: Schema.Int }),
  Schema.Struct({
    struct: Schema.Record(
      Schema.String,
      Schema.suspend((): Schema.Codec<Template> => Template)
    )
  }),
  Schema.Struct({ tuple: Schema.Array(Schema.suspend((): Schema.Codec<Template> => Template)) }),
  Schema.Struct({ from: Schema.Array(Schema.suspend((): Schema.Codec<Template> => Template)) }),
  Schema.Struct({ instances: Schema.Int })
])

/** What a node's work may cost and how it is retried; every field has its default in `Defaults`. Times in milliseconds. */
export interface Policy {
  /** The queue its work goes to. */
  readonly queue?: string
  /** 0 to 9, 0 first. */
  readonly priority?: number
  /** How often the handler is tried at most, the first try included. */
  readonly attempts?: number
  readonly backoff?: "exponential" | "fixed"
  /** The delay before the second attempt. */
  readonly base?: number
  /** The longest delay between attempts. */
  readonly max?: number
  /** Draw the delay from 0 to itself ("full jitter"). */
  readonly jitter?: boolean
  /** Tags of errors that are not worth another attempt. */
  readonly except?: ReadonlyArray<string>
  /** How long one attempt may take. */
  readonly timeout?: number
  /** How long the node may be ready without being claimed. */
  readonly expires?: number
  /** How long the node waits after its dependencies before it becomes ready. */
  readonly delay?: number
}
const Policy: Schema.Codec<Policy> = Schema.Struct({
  queue: Schema.optionalKey(Schema.String),
  priority: Schema.optionalKey(Schema.Int),
  attempts: Schema.optionalKey(Schema.Int),
  backoff: Schema.optionalKey(Schema.Literals(["exponential", "fixed"])),
  base: Schema.optionalKey(Schema.Number),
  max: Schema.optionalKey(Schema.Number),
  jitter: Schema.optionalKey(Schema.Boolean),
  except: Schema.optionalKey(Schema.Array(Schema.String)),
  timeout: Schema.optionalKey(Schema.Number),
  expires: Schema.optionalKey(Schema.Number),
  delay: Schema.optionalKey(Schema.Number)
})

/** A `forEach` whose number of elements becomes known with a task's value: where in the value its array is. */
export interface Decision {
  /** The `Fork` node it decides. */
  readonly node: number
  /** The array, in the value of the node that carries the decision. */
  readonly path: Path
}
const Decision: Schema.Codec<Decision> = Schema.Struct({ node: Schema.Int, path: Path })

interface NodeFields {
  /** Readable, unique in the plan, in the order of creation: `resize`, `resize#2`. */
  readonly id: string
  /** The region it was made in. */
  readonly region: number
  readonly join: "all" | "any" | "settled"
  /** What must fire before the join counts. */
  readonly gate?: Edge
  /** What the join is over, in the order of declaration. */
  readonly edges: ReadonlyArray<Edge>
  /** Runs also when the run is being cancelled. */
  readonly cleanup?: true
}
const fields = {
  id: Schema.String,
  region: Schema.Int,
  join: Schema.Literals(["all", "any", "settled"]),
  gate: Schema.optionalKey(Edge),
  edges: Schema.Array(Edge),
  cleanup: Schema.optionalKey(Schema.Literal(true))
}

/** A call of a task: goes to a queue. */
export interface Task extends NodeFields {
  readonly _tag: "Task"
  readonly task: string
  readonly input: Template
  readonly policy?: Policy
  /** What its value decides as well; the worker reports it with the outcome. */
  readonly decides?: ReadonlyArray<Decision>
}

/** Built-in work: reads an array and reports its elements; any worker runs it. Ends with their number. */
export interface Decide extends NodeFields {
  readonly _tag: "Decide"
  readonly of: Template
  readonly policy?: Policy
}

/** Like `Decide`, but no work: the node that has the array, or the submission, decides it. Ends with the number of elements. */
export interface Fork extends NodeFields {
  readonly _tag: "Fork"
}

/** Ends by itself when its join says so; its value is a template. */
export interface Pass extends NodeFields {
  readonly _tag: "Pass"
  /**
   * What it is for. `value`: what the user wrote (all, succeed, result). The others are the compiler's, folded away by drawings:
   * `entry` and `exit` of a region, `merge` after a catch, `release` before the instances of a body.
   */
  readonly role: "value" | "entry" | "exit" | "merge" | "release"
  /** Without one it only orders. */
  readonly value?: Template
}

/** The join over the instances of a body; its value is the array of theirs. Its gate is the body's `release`. */
export interface Collect extends NodeFields {
  readonly _tag: "Collect"
  readonly body: number
}

export type Node = Task | Decide | Fork | Pass | Collect
const Node: Schema.Codec<Node> = Schema.Union([
  Schema.TaggedStruct("Task", {
    ...fields,
    task: Schema.String,
    input: Template,
    policy: Schema.optionalKey(Policy),
    decides: Schema.optionalKey(Schema.Array(Decision))
  }),
  Schema.TaggedStruct("Decide", { ...fields, of: Template, policy: Schema.optionalKey(Policy) }),
  Schema.TaggedStruct("Fork", fields),
  Schema.TaggedStruct("Pass", {
    ...fields,
    role: Schema.Literals(["value", "entry", "exit", "merge", "release"]),
    value: Schema.optionalKey(Template)
  }),
  Schema.TaggedStruct("Collect", { ...fields, body: Schema.Int })
])

/** The flow itself: nodes `first` to `first + count - 1`, once per run. */
export interface Root {
  readonly _tag: "Root"
  readonly first: number
  readonly count: number
  /** The node whose end is the outcome. */
  readonly exit: number
}

/** The body of a `forEach`: instantiated once per element. */
export interface Each {
  readonly _tag: "Each"
  readonly first: number
  readonly count: number
  /** The node whose end is the instance's. */
  readonly exit: number
  /** The body around it. */
  readonly parent: number
  /** The node that knows the number of elements: a `Decide` or a `Fork`. */
  readonly fork: number
  /** The node whose success makes the instances: the fork, or a `release` pass after it that waits for what the body uses from outside. */
  readonly release: number
  /** The `Collect` node. */
  readonly collect: number
  /** How many instances may be open at once; without one, all. */
  readonly concurrency?: number
}

export type Body = Root | Each
const Root: Schema.Codec<Root> = Schema.TaggedStruct("Root", { first: Schema.Int, count: Schema.Int, exit: Schema.Int })
const Each: Schema.Codec<Each> = Schema.TaggedStruct("Each", {
  first: Schema.Int,
  count: Schema.Int,
  exit: Schema.Int,
  parent: Schema.Int,
  fork: Schema.Int,
  release: Schema.Int,
  collect: Schema.Int,
  concurrency: Schema.optionalKey(Schema.Int)
})

/** A callback the user wrote: region 0 is the flow's own. */
export interface Region {
  readonly kind: "flow" | "forEach" | "catch"
  /** What to call it: a flow's key, `each`, the tags that are caught. */
  readonly label: string
  /** The region around it; none for region 0. */
  readonly parent?: number
}
const Region: Schema.Codec<Region> = Schema.Struct({
  kind: Schema.Literals(["flow", "forEach", "catch"]),
  label: Schema.String,
  parent: Schema.optionalKey(Schema.Int)
})

/** The JSON schemas of a task, part of the plan so that a changed contract is a changed plan. */
export interface Contract {
  readonly input: Json
  readonly output: Json
  readonly error: Json
}
const Contract: Schema.Codec<Contract> = Schema.Struct({
  input: Schema.Json,
  output: Schema.Json,
  error: Schema.Json
})

/** The format this version writes and reads. */
export const version = 1

export interface Plan {
  readonly version: typeof version
  /** The key of the flow. */
  readonly flow: string
  readonly nodes: ReadonlyArray<Node>
  readonly bodies: readonly [Root, ...ReadonlyArray<Each>]
  readonly regions: ReadonlyArray<Region>
  /** What the submission decides: arrays in the run's input, or literals. */
  readonly decides: ReadonlyArray<{ readonly node: number; readonly of: Template }>
  /** The contract of every task that occurs, by key. */
  readonly tasks: { readonly [key: string]: Contract }
  /** The JSON schemas of the flow's own input and output. */
  readonly input: Json
  readonly output: Json
}

/** The schema of the document: what a broker stores and `arpeggio plan --json` prints. */
export const Plan: Schema.Codec<Plan> = Schema.Struct({
  version: Schema.Literal(version),
  flow: Schema.String,
  nodes: Schema.Array(Node),
  bodies: Schema.TupleWithRest(Schema.Tuple([Root]), [Each]),
  regions: Schema.Array(Region),
  decides: Schema.Array(Schema.Struct({ node: Schema.Int, of: Template })),
  tasks: Schema.Record(Schema.String, Contract),
  input: Schema.Json,
  output: Schema.Json
})
