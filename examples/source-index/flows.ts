import * as Flow from "@arpeggio/core/Flow"
import * as Schema from "effect/Schema"
import { analyse, listFiles, Skipped, summarise, writeReport } from "./tasks.ts"

/**
 * Lists a folder, analyses each file, joins all into an index and writes it. A file that can't be read, or is no text, is
 * an entry of the index that says so, and the run goes on.
 */
export const sourceIndex = Flow.make(
  "source-index",
  {
    input: Schema.Struct({
      folder: Schema.String,
      /** Where the report goes; never indexed itself. */
      out: Schema.String,
      /** Look into `.git` and `node_modules`, too. */
      all: Schema.Boolean
    })
  },
  ({ folder, out, all }) => {
    const listing = listFiles({ folder, except: [out], all })
    const entries = Flow.forEach(
      listing.files,
      (file) =>
        analyse({ folder, file }).pipe(
          Flow.catchTags({
            Unreadable: ({ path, reason }) =>
              Flow.succeed(Skipped, { _tag: "Skipped", path, error: "Unreadable", reason }),
            Binary: ({ path, reason }) => Flow.succeed(Skipped, { _tag: "Skipped", path, error: "Binary", reason })
          })
        ),
      { concurrency: 32 }
    )
    const summary = summarise({ entries })
    return writeReport({ folder, out, summary, entries, notEntered: listing.notEntered })
  }
)
