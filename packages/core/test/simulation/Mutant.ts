/**
 * Planted bugs: the engine with one small change each, which the simulation has to find. What it does not find, it does
 * not prove.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { stripTypeScriptTypes } from "node:module"
import { dirname, join } from "node:path"
import { pathToFileURL } from "node:url"
import { modules } from "./Engine.ts"
import type { Engine } from "./Engine.ts"

export interface Mutant {
  /** What no longer holds. */
  readonly name: string
  /** The file in `src/engine`, and what is replaced in it; it has to occur exactly once. */
  readonly file: string
  readonly find: string
  readonly replace: string
}

const source = join(import.meta.dirname, "../../src")
// Inside the package, so that `effect` is found; in node_modules, so that nobody watches, lints or publishes it.
const place = join(import.meta.dirname, "../../node_modules/.mutants")

/** Loads the engine with a bug in it. */
export const load = async (mutant: Mutant): Promise<Engine> => {
  mkdirSync(place, { recursive: true })
  const directory = mkdtempSync(join(place, "engine-"))
  try {
    const files = [
      ...readdirSync(join(source, "engine")).map((file) => `engine/${file}`),
      "plan/Address.ts",
      "Defaults.ts",
      "Phase.ts"
    ]
    for (const file of files) {
      const text = readFileSync(join(source, file), "utf8")
      const path = join(directory, file.replace(/\.ts$/, ".mjs"))
      mkdirSync(dirname(path), { recursive: true })
      const changed = file === `engine/${mutant.file}` ? plant(mutant, text) : text
      writeFileSync(path, stripTypeScriptTypes(changed).replace(/(from "\.[^"]*)\.ts"/g, '$1.mjs"'))
    }
    const names = Object.keys(modules)
    const loaded = await Promise.all(
      names.map((name) => import(pathToFileURL(join(directory, "engine", `${name}.mjs`)).href))
    )
    return Object.fromEntries(names.map((name, i) => [name, loaded[i]])) as unknown as Engine
  } finally {
    rmSync(directory, { recursive: true })
  }
}

const plant = ({ file, find, name, replace }: Mutant, text: string): string => {
  const parts = text.split(find)
  if (parts.length !== 2)
    throw new Error(`Mutant "${name}": its place occurs ${parts.length - 1} times in ${file}. Find it again.`)
  return parts.join(replace)
}
