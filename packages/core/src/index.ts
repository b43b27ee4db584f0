/**
 * Arpeggio: typed workflows on a task queue.
 *
 * Define tasks, compose them into flows, run workers, submit. Each module here is a noun; import it by name from this
 * barrel, or alone from `@arpeggio/core/<Module>` where the time to start matters.
 */
export * as Attempt from "./Attempt.ts"
export * as Broker from "./Broker.ts"
export * as Canvas from "./Canvas.ts"
export * as Client from "./Client.ts"
export * as Defaults from "./Defaults.ts"
export * as Diagram from "./Diagram.ts"
export * as Failure from "./Failure.ts"
export * as Flow from "./Flow.ts"
export * as Handler from "./Handler.ts"
export * as MemoryBroker from "./MemoryBroker.ts"
export * as Orchestrator from "./Orchestrator.ts"
export * as Plan from "./Plan.ts"
export * as Ref from "./Ref.ts"
export * as Run from "./Run.ts"
export * as Step from "./Step.ts"
export * as Task from "./Task.ts"
export * as Worker from "./Worker.ts"
