/**
 * The Lua scripts, one file per transition in `scripts/`. A line `-- include name.lua` stands for that file.
 */
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"

export interface Script {
  readonly name: string
  readonly source: string
  /** SHA-1 of the source: what EVALSHA takes. */
  readonly sha: string
}

/** The scripts are shipped as source: the folder is found from `src` and from `dist` alike. */
const directory = new URL("../src/scripts/", import.meta.url)

const read = (name: string): string =>
  readFileSync(new URL(name, directory), "utf8").replace(/^-- include (\S+)$/gm, (_, included: string) =>
    read(included)
  )

const load = (name: string): Script => {
  const source = read(`${name}.lua`)
  return { name, source, sha: createHash("sha1").update(source).digest("hex") }
}

export const preflight = load("preflight")
export const submit = load("submit")
export const stage = load("stage")
export const stageOutcome = load("stageOutcome")
export const register = load("register")
export const settle = load("settle")
export const renew = load("renew")
export const release = load("release")
export const cancel = load("cancel")
export const retry = load("retry")
export const sweep = load("sweep")
export const beat = load("beat")
