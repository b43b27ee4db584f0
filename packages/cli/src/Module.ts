/**
 * A user's module, as the command line loads it: its default export is the layer of its handlers, closed (it needs
 * nothing more), and each named export that is a task, a flow or a canvas can be addressed as `module#name`.
 */
import * as Definition from "@arpeggio/core/definition/Definition"
import * as Plan from "@arpeggio/core/Plan"
import type { Shape } from "@arpeggio/core/Step"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import { spawnSync } from "node:child_process"
import { existsSync, statSync } from "node:fs"
import * as path from "node:path"
import { pathToFileURL } from "node:url"
import { WrongUse } from "./ExitCode.ts"
import * as Suggestion from "./Suggestion.ts"

/** A task, a flow or a canvas of whatever types. */
export type AnyStep = Shape<Schema.Constraint, Schema.Constraint, unknown>

/** `module#name` as it was typed. */
export interface Address {
  /** The path as typed. */
  readonly path: string
  /** The absolute path. */
  readonly file: string
  /** The name behind the `#`; nothing where there is none. */
  readonly name: string | undefined
}

/** A module that was loaded. */
export interface Module {
  readonly path: string
  readonly file: string
  /** The flows, canvases and tasks it exports, by name, in this order. */
  readonly steps: ReadonlyMap<string, AnyStep>
  readonly default: unknown
}

/** Splits `module#name` at its last `#`, unless there is a file whose name has one. */
export const parseAddress = (typed: string): Address => {
  const hash = typed.lastIndexOf("#")
  const whole = hash === -1 || existsSync(typed)
  const file = whole ? typed : typed.slice(0, hash)
  const name = whole ? "" : typed.slice(hash + 1)
  return { path: file, file: path.resolve(file), name: name === "" ? undefined : name }
}

/** Loads a module. A file is loaded once per process, whatever happens to it later. */
export const load = Effect.fnUntraced(function* (address: Address): Effect.fn.Return<Module, WrongUse> {
  const url = pathToFileURL(address.file)
  const missing = whyMissing(address)
  if (missing !== undefined) return yield* missing
  const exports = yield* Effect.tryPromise({
    try: (): Promise<{ readonly [name: string]: unknown }> => import(url.href),
    catch: (error) => notLoaded(address, error)
  })
  const steps = Object.entries(exports)
    .flatMap(([name, value]) => (name !== "default" && isStep(value) ? [[name, value] as const] : []))
    .sort(([, a], [, b]) => kinds.indexOf(kindOf(a)) - kinds.indexOf(kindOf(b)))
  const foreign = Object.keys(exports).filter((name) => isForeignStep(exports[name]))
  if (steps.length === 0 && foreign.length > 0) return yield* otherCopy(address, foreign)
  const module = { path: address.path, file: address.file, steps: new Map(steps), default: exports["default"] }
  const duplicates = duplicateKeys(module.steps)
  return duplicates === undefined ? module : yield* duplicates
})

/** The step that the address names. */
export const step = (module: Module, name: string | undefined): Result.Result<AnyStep, WrongUse> => {
  if (name === undefined) {
    const message = `${module.path} alone does not say what to run. ${listing(module)}`
    return Result.fail(new WrongUse({ reason: "UnknownFlow", message }))
  }
  const found = module.steps.get(name)
  if (found !== undefined) return Result.succeed(found)
  const near = Suggestion.nearest(name, Array.from(module.steps.keys()))
  const hint = near === undefined ? "" : ` Did you mean ${module.path}#${near}?`
  const message = `${module.path} exports no task, flow or canvas named "${name}".${hint} ${listing(module)}`
  return Result.fail(new WrongUse({ reason: "UnknownFlow", message }))
}

/** Loads the module of a typed `module#name`, and gives it with the step that is named. */
export const find = (typed: string): Effect.Effect<{ readonly module: Module; readonly step: AnyStep }, WrongUse> => {
  const address = parseAddress(typed)
  return Effect.flatMap(load(address), (module) =>
    Effect.fromResult(Result.map(step(module, address.name), (step) => ({ module, step })))
  )
}

/** The layer of its handlers. */
export const handlers = (module: Module): Result.Result<Layer.Layer<never, unknown>, WrongUse> => {
  // Layer.isLayer can't see what a layer needs: a need that is left open shows when the worker starts.
  if (Layer.isLayer(module.default)) return Result.succeed(module.default as unknown as Layer.Layer<never, unknown>)
  const found =
    module.default === undefined ? "has no default export" : `has a default export that is ${nameOf(module.default)}`
  const message = `${module.path} ${found}, so there are no handlers to run its tasks. Export the layer of them: export default Layer.mergeAll(taskA.toLayer(...), taskB.toLayer(...)).`
  return Result.fail(new WrongUse({ reason: "NotAWorkerModule", message }))
}

/** A step compiled, or all that is wrong with it. */
export const compile = (step: AnyStep): Result.Result<Plan.Compiled, WrongUse> =>
  Result.mapError(Plan.compile(step), (invalid) => new WrongUse({ reason: "InvalidPlan", message: invalid.message }))

/** In the order of lists: what is most likely meant comes first. */
const kinds = ["flow", "canvas", "task"]

export const kindOf = (step: AnyStep): Definition.Definition["kind"] => Definition.of(step)?.kind ?? "flow"

const isStep = (value: unknown): value is AnyStep => Definition.of(value) !== undefined

/** Looks like a step, and is one of another copy of the library: nothing of it can be compiled here. */
const isForeignStep = (value: unknown): boolean =>
  typeof value === "function" && !isStep(value) && "key" in value && "input" in value && "with" in value

const otherCopy = (address: Address, names: ReadonlyArray<string>): WrongUse =>
  new WrongUse({
    reason: "ModuleNotLoaded",
    message: `${address.path} exports ${names.join(", ")}, made by another copy of @arpeggio/core than that of this command. Install @arpeggio/cli in the project of the module and start it from there.`
  })

/** What a module offers, in a sentence. */
const listing = (module: Module): string =>
  module.steps.size === 0
    ? `It exports no tasks, flows or canvases at all: write export const name = Flow.make(...), or export * from "./flows.ts".`
    : `It has ${Array.from(module.steps, ([name, step]) => `${name} (${kindOf(step)})`).join(", ")}; write ${module.path}#name.`

/** What a module offers, as data. */
export const catalogue = (module: Module) => ({
  module: module.path,
  handlers: Layer.isLayer(module.default),
  steps: Array.from(module.steps, ([name, step]) => ({ name, kind: kindOf(step), key: step.key }))
})

/** What a module offers and how to run it, as lines. */
export const describe = (module: Module): string => {
  if (module.steps.size === 0) return `${module.path}: ${listing(module)}\n`
  const rows = Array.from(module.steps, ([name, step]) => [`${module.path}#${name}`, kindOf(step), step.key])
  const columns = [0, 1].map((column) => Math.max(...rows.map((row) => row[column]!.length)))
  const lines = rows.map(
    ([address, kind, key]) => `  ${address!.padEnd(columns[0]!)}  ${kind!.padEnd(columns[1]!)}  ${key}`
  )
  const missing = Layer.isLayer(module.default)
    ? ""
    : "\nIt has no handlers (a default export that is a Layer), so it can be drawn and planned, but not run.\n"
  return `${module.path} has:\n\n${lines.join("\n")}\n${missing}\nRun one:  arpeggio dev ${rows[0]![0]} --input '{…}'\n`
}

const nameOf = (value: unknown): string =>
  isStep(value)
    ? `the ${kindOf(value)} "${value.key}"`
    : typeof value === "function"
      ? "a function"
      : value === null
        ? "null"
        : `a value of type ${typeof value}`

const whyMissing = (address: Address): WrongUse | undefined => {
  if (!existsSync(address.file)) {
    const other = [".ts", ".js", ".mts", ".mjs", "/worker.ts", "/index.ts"].find((end) =>
      existsSync(address.file + end)
    )
    const hint =
      other === undefined
        ? "Give the path of a .ts or .js file"
        : `Did you mean ${address.path}${other}? Give the path of a file`
    const message = `There is no module ${address.path} (looked for ${address.file}). ${hint}, from the folder you are in.`
    return new WrongUse({ reason: "ModuleNotFound", message })
  }
  if (!statSync(address.file).isFile()) {
    const message = `${address.path} is not a file. Give the path of a .ts or .js file, for example ${path.join(address.path, "worker.ts")}.`
    return new WrongUse({ reason: "ModuleNotFound", message })
  }
  return undefined
}

/** The same export may have two names; two exports with one key are two tasks that a worker can't tell apart. */
const duplicateKeys = (steps: ReadonlyMap<string, AnyStep>): WrongUse | undefined => {
  const seen = new Map<string, readonly [name: string, step: AnyStep]>()
  for (const [name, step] of steps) {
    const before = seen.get(step.key)
    if (before !== undefined && before[1] !== step) {
      const message = `${before[0]} and ${name} are different ${kindOf(step)}s with the same key "${step.key}". Give one of them another key.`
      return new WrongUse({ reason: "NotAWorkerModule", message })
    }
    seen.set(step.key, [name, step])
  }
  return undefined
}

const notLoaded = (address: Address, error: unknown): WrongUse => {
  const { what, hint } = explain(error)
  const where = placeOf(address, error) ?? address.path
  return new WrongUse({
    reason: "ModuleNotLoaded",
    message: `${address.path} can't be loaded: ${what} (${where}). ${hint}`
  })
}

const explain = (error: unknown): { readonly what: string; readonly hint: string } => {
  if (!(error instanceof Error))
    return { what: `it threw ${String(error)}`, hint: "Throw nothing while a module loads." }
  const code = "code" in error ? error.code : undefined
  const what = error.message.split("\n")[0]!.replace(/\.$/, "")
  switch (code) {
    case "ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX":
      return {
        what: what.replace(" in strip-only mode", ": Node only strips types"),
        hint: "Write it in plain syntax (a union of literals for an enum, a field for a parameter property), or compile the module to JavaScript first."
      }
    case "ERR_INVALID_TYPESCRIPT_SYNTAX":
      return { what, hint: "Correct the syntax." }
    case "ERR_UNKNOWN_FILE_EXTENSION":
      return { what, hint: "Give a .ts, .mts, .js or .mjs file." }
    case "ERR_IMPORT_ATTRIBUTE_MISSING":
      return { what: "it is not a module of code", hint: "Give a .ts, .mts, .js or .mjs file." }
    case "ERR_UNSUPPORTED_NODE_MODULES_TYPE_STRIPPING":
      return { what, hint: "Node strips no types inside node_modules: use a module that is compiled." }
    case "ERR_MODULE_NOT_FOUND":
      return {
        // Who imports it is the place.
        what: what.replace(/ imported from .*$/, "").replace(/'(\/[^']*)'/, (_, file: string) => relative(file)),
        hint: what.startsWith("Cannot find package")
          ? "Install it, or correct the name in the import."
          : "Correct the path in the import; it must have its extension, as in ./tasks.ts."
      }
    default:
      return error instanceof SyntaxError
        ? { what, hint: "Correct the syntax, or the import." }
        : { what: `it threw ${error.name}: ${what}`, hint: "Correct it: a module must load without errors." }
  }
}

/** `file:line:column`, as near as the error says. */
const placeOf = (address: Address, error: unknown): string | undefined => {
  if (!(error instanceof Error) || error.stack === undefined) return undefined
  const importer = / imported from (.+)$/m.exec(error.message)
  if (importer !== null) return relative(importer[1]!)
  const atError = headOf(error.stack)
  if (atError !== undefined) return atError
  // Node keeps the place of a syntax error in JavaScript to itself, unless it only checks the file.
  if (error instanceof SyntaxError)
    return headOf(spawnSync(process.execPath, ["--check", address.file]).stderr.toString())
  const frame = /\(?(?:file:\/\/)?(\/[^()\n]+?):(\d+):(\d+)\)?$/m.exec(error.stack)
  return frame === null ? undefined : `${relative(frame[1]!)}:${frame[2]}:${frame[3]}`
}

/** The place that stands before a syntax error: the file and the line, then the text with a mark below it. */
const headOf = (stack: string): string | undefined => {
  const head = /^(?:file:\/\/)?(\/.+|[A-Za-z]:\\.+?):(\d+)\n(?:.*\n( *)\^)?/.exec(stack)
  if (head === null) return undefined
  const column = head[3] === undefined ? "" : `:${head[3].length + 1}`
  return `${relative(head[1]!)}:${head[2]}${column}`
}

const relative = (file: string): string => {
  const short = path.relative(process.cwd(), file)
  return short.startsWith("..") ? file : short
}
