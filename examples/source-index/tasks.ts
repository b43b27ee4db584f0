/**
 * The contracts of the pipeline: what each task takes, gives and can fail with. Safe to import anywhere, there is no code
 * of the work in it.
 */
import * as Task from "@arpeggio/core/Task"
import * as Schema from "effect/Schema"

/** A file below the folder. `path` is for people; `raw`, in Base64, is there when the name is not UTF-8 and opens the file. */
export const File = Schema.Struct({ path: Schema.String, raw: Schema.optionalKey(Schema.String) })
export type File = typeof File.Type

/** A folder that was not looked into, and why. */
export const NotEntered = Schema.Struct({ path: Schema.String, reason: Schema.String })

export const Listing = Schema.Struct({ files: Schema.Array(File), notEntered: Schema.Array(NotEntered) })
export type Listing = typeof Listing.Type

export const Term = Schema.Struct({ term: Schema.String, count: Schema.Int })

/** What is known of a text. `lines`, `words` and `bytes` are those that `wc` counts in a UTF-8 locale. */
export const Analysis = Schema.TaggedStruct("Analysis", {
  path: Schema.String,
  lines: Schema.Int,
  words: Schema.Int,
  bytes: Schema.Int,
  sha256: Schema.String,
  /** The most frequent terms, at most ten. */
  terms: Schema.Array(Term)
})
export type Analysis = typeof Analysis.Type

/** The file can't be opened or read: no permission, gone meanwhile. */
export class Unreadable extends Schema.TaggedError<Unreadable>()("Unreadable", {
  path: Schema.String,
  reason: Schema.String
}) {}

/** The file is no text: it has a NUL byte. */
export class Binary extends Schema.TaggedError<Binary>()("Binary", { path: Schema.String, reason: Schema.String }) {}

/** The folder itself can't be listed. */
export class NoFolder extends Schema.TaggedError<NoFolder>()("NoFolder", {
  folder: Schema.String,
  reason: Schema.String
}) {}

/** The report can't be written. */
export class NotWritten extends Schema.TaggedError<NotWritten>()("NotWritten", {
  folder: Schema.String,
  reason: Schema.String
}) {}

/** A file without an analysis: which error came, and why. */
export const Skipped = Schema.TaggedStruct("Skipped", {
  path: Schema.String,
  error: Schema.Literals(["Unreadable", "Binary"]),
  reason: Schema.String
})

/** What becomes of a file. */
export const Entry = Schema.Union([Analysis, Skipped])
export type Entry = typeof Entry.Type

export const Totals = Schema.Struct({
  files: Schema.Int,
  skipped: Schema.Int,
  lines: Schema.Int,
  words: Schema.Int,
  bytes: Schema.Int
})

/** What all files are together; bounded in size, however many files there are. */
export const Summary = Schema.Struct({
  totals: Totals,
  kinds: Schema.Array(Schema.Struct({ extension: Schema.String, totals: Totals })),
  largest: Schema.Array(Schema.Struct({ path: Schema.String, lines: Schema.Int, bytes: Schema.Int })),
  /** Files with the same content, the most wasteful first. */
  duplicates: Schema.Array(
    Schema.Struct({ sha256: Schema.String, bytes: Schema.Int, paths: Schema.Array(Schema.String) })
  ),
  /** The terms that are among the most frequent of most files. */
  terms: Schema.Array(Schema.Struct({ term: Schema.String, files: Schema.Int }))
})
export type Summary = typeof Summary.Type

export const listFiles = Task.make("list", {
  input: Schema.Struct({ folder: Schema.String, except: Schema.Array(Schema.String), all: Schema.Boolean }),
  output: Listing,
  error: NoFolder
})

export const analyse = Task.make("analyse", {
  input: Schema.Struct({ folder: Schema.String, file: File }),
  output: Analysis,
  error: Schema.Union([Unreadable, Binary])
})

export const summarise = Task.make("summarise", {
  input: Schema.Struct({ entries: Schema.Array(Entry) }),
  output: Summary
})

export const writeReport = Task.make("write", {
  input: Schema.Struct({
    folder: Schema.String,
    out: Schema.String,
    summary: Summary,
    entries: Schema.Array(Entry),
    notEntered: Schema.Array(NotEntered)
  }),
  output: Schema.Struct({ report: Schema.String, index: Schema.String, summary: Summary }),
  error: NotWritten
})
