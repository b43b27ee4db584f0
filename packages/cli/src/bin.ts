#!/usr/bin/env node
/**
 * The executable. It loads the rest only when Node is new enough to understand it, and keeps what Node compiles for the
 * next time.
 */
import * as nodeModule from "node:module"

/** The first Node that strips types without a flag and without a warning in its 22 line, and what effect asks for. */
const oldest = [22, 19] as const

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number)
if (major < oldest[0] || (major === oldest[0] && minor < oldest[1])) {
  process.stderr.write(
    `arpeggio needs Node ${oldest.join(".")} or newer, and this is Node ${process.versions.node}. Install a newer one, or run it with: npx -y -p node@24 -p @arpeggio/cli arpeggio\n`
  )
  process.exit(2)
}
nodeModule.enableCompileCache()
const { main } = await import("./main.ts")
main(process.argv.slice(2))
