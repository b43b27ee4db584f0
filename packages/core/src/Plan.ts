/**
 * A plan is a flow compiled to data: nodes, edges, bodies and regions, JSON with a schema and a version. It is what a run
 * executes, a broker stores and a diagram draws.
 *
 * `compile` makes it from a definition, `validate` takes one that came as JSON, `hash` names it; `graph`, `generations`
 * and `criticalPath` tell about its shape. The types of the document are here too, and `Plan` is its schema.
 */
export { compile } from "./compile/Compiler.ts"
export type { Compilable, Compiled } from "./compile/Compiler.ts"
export { toId } from "./plan/Address.ts"
export * from "./plan/Document.ts"
export { criticalPath, generations, graph } from "./plan/Graph.ts"
export type { CriticalPath, EdgeAttributes, Graph, Link, NodeAttributes } from "./plan/Graph.ts"
export { hash } from "./plan/Hash.ts"
export { validate } from "./plan/Validation.ts"
