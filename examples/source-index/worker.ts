/**
 * The work of the tasks. The default export is the layer of all handlers, and the flow is exported beside it, so that
 * `arpeggio run examples/source-index/worker.ts#sourceIndex` finds both.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { mkdir, rename, writeFile } from "node:fs/promises"
import * as path from "node:path"
import * as Folder from "./Folder.ts"
import * as Index from "./Index.ts"
import * as Report from "./Report.ts"
import { analyse, Binary, listFiles, NoFolder, NotWritten, summarise, Unreadable, writeReport } from "./tasks.ts"
import * as Text from "./Text.ts"

export * from "./flows.ts"

/** How many terms of a file are kept. */
const terms = 10

const list = listFiles.toLayer(({ folder, except, all }) =>
  Effect.tryPromise({
    try: () => Folder.walk(folder, { except, all }),
    catch: (error) => new NoFolder({ folder, reason: Folder.reasonOf(error) })
  })
)

const analysis = analyse.toLayer(({ folder, file }) =>
  Effect.gen(function* () {
    const facts = yield* Effect.tryPromise({
      try: (signal) => Text.read(Folder.pieces(folder, file, signal), terms),
      catch: (error) => new Unreadable({ path: file.path, reason: Folder.reasonOf(error) })
    })
    if (facts === undefined)
      return yield* new Binary({ path: file.path, reason: "it has a NUL byte, so it is no text" })
    return { _tag: "Analysis" as const, path: file.path, ...facts }
  })
)

const summary = summarise.toLayer(({ entries }) => Effect.sync(() => Index.summarise(entries)))

// Async functions are handlers as well; what the task declares, they throw.
const report = writeReport.toLayer(async ({ folder, out, summary, entries, notEntered }) => {
  const files = { report: path.resolve(out, "report.md"), index: path.resolve(out, "index.json") }
  try {
    await mkdir(out, { recursive: true })
    await write(files.report, Report.markdown({ folder, summary, entries, notEntered }))
    await write(files.index, `${JSON.stringify({ folder, summary, entries, notEntered }, undefined, 1)}\n`)
  } catch (error) {
    throw new NotWritten({ folder: out, reason: Folder.reasonOf(error) })
  }
  return { ...files, summary }
})

/** Whole or not at all: a reader never sees half a file, and a second attempt does no harm. */
const write = async (file: string, text: string): Promise<void> => {
  await writeFile(`${file}.part`, text)
  await rename(`${file}.part`, file)
}

export default Layer.mergeAll(list, analysis, summary, report)
