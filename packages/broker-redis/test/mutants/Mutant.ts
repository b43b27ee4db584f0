/**
 * A planted bug: the product with one small change, which the test that is named with it has to find. What it does not
 * find, it does not prove.
 */
import { readFileSync } from "node:fs"
import { join } from "node:path"

export interface Mutant {
  /** What no longer holds. */
  readonly name: string
  /** The file in `packages`, and what is replaced in it; it has to occur exactly once. */
  readonly file: string
  readonly find: string
  readonly replace: string
  readonly by: Catcher
}

/** Who has to find it: the test file in `packages`, and a part of the name of its tests. */
export interface Catcher {
  readonly test: string
  readonly name: string
}

/** The workspace that this file belongs to. */
export const root = join(import.meta.dirname, "../../../..")

/** The text of the mutant's file in a workspace, with the bug in it. */
export const plant = ({ file, find, name, replace }: Mutant, workspace: string): string => {
  const parts = readFileSync(join(workspace, "packages", file), "utf8").split(find)
  if (parts.length !== 2)
    throw new Error(`Mutant "${name}": its place occurs ${parts.length - 1} times in packages/${file}. Find it again.`)
  return parts.join(replace)
}
