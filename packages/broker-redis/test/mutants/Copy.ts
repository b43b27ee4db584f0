/**
 * A copy of the workspace to plant bugs in: its own packages, everybody's `node_modules`. So no bug can reach the product,
 * and the product needs no hook for one.
 */
import { spawn } from "node:child_process"
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"
import * as Mutant from "./Mutant.ts"

/** What vitest says of one test. */
export interface Tested {
  readonly name: string
  readonly passed: boolean
  /** What its failure says; empty where there is none. */
  readonly message: string
}

export interface Tests {
  readonly tested: ReadonlyArray<Tested>
  /** What failed outside of any test: the file could not be loaded. */
  readonly trouble: string | undefined
  /** It took longer than its patience and was ended. */
  readonly hung: boolean
}

export interface Copy {
  /** Runs the tests of a file whose names contain one of these, to the first failure. */
  readonly test: (file: string, names: ReadonlyArray<string>, patience: number) => Promise<Tests>
  /** Puts a bug in while `use` runs. */
  readonly withMutant: <A>(mutant: Mutant.Mutant, use: () => Promise<A>) => Promise<A>
  readonly remove: () => void
}

/** Links between packages are relative, so they lead to the copies of packages. */
const isCopied = (path: string): boolean => !["dist", ".tsbuildinfo", ".mutants"].includes(basename(path))

export const make = (): Copy => {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), "arpeggio-mutants-")))
  cpSync(join(Mutant.root, "packages"), join(directory, "packages"), {
    recursive: true,
    verbatimSymlinks: true,
    filter: isCopied
  })
  for (const file of ["package.json", "vitest.config.ts", "tsconfig.base.json", "tsconfig.noemit.json"])
    cpSync(join(Mutant.root, file), join(directory, file))
  symlinkSync(join(Mutant.root, "node_modules"), join(directory, "node_modules"))
  // What tests leave behind when they are ended goes with the copy.
  const temporary = join(directory, "tmp")
  for (const folder of ["test", "tmp"]) mkdirSync(join(directory, folder))

  const remove = () => {
    process.off("exit", remove)
    rmSync(directory, { recursive: true, force: true })
  }
  process.once("exit", remove)

  return {
    test: async (file, names, patience) => {
      const report = join(temporary, "report.json")
      rmSync(report, { force: true })
      const args = [
        join(Mutant.root, "node_modules/vitest/vitest.mjs"),
        ...["run", "--project", file.split("/")[0]!, "--bail", "1", "--reporter", "json", "--outputFile", report],
        ...["-t", names.map(escaped).join("|"), join("packages", file)]
      ]
      const hung = await ended(args, directory, { ...quiet(process.env), TMPDIR: temporary }, patience)
      return { ...(existsSync(report) ? read(report) : { tested: [], trouble: "vitest wrote no report" }), hung }
    },
    withMutant: async (mutant, use) => {
      const path = join(directory, "packages", mutant.file)
      const text = readFileSync(path)
      writeFileSync(path, Mutant.plant(mutant, directory))
      try {
        return await use()
      } finally {
        writeFileSync(path, text)
      }
    },
    remove
  }
}

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")

/** Without what a test runner around this one tells its own children. */
const quiet = (env: NodeJS.ProcessEnv): NodeJS.ProcessEnv =>
  Object.fromEntries(
    Object.entries(env).filter(
      ([name]) => !/^(VITEST|TEST$|NODE_ENV$|NODE_OPTIONS$|ARPEGGIO_(SEED|RUNS|TEST_REPORT)$)/.test(name)
    )
  )

/** Whether it had to be ended, and with it all that it started. */
const ended = (args: ReadonlyArray<string>, cwd: string, env: NodeJS.ProcessEnv, patience: number): Promise<boolean> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd, env, stdio: "ignore", detached: true })
    let hung = false
    const end = () => {
      try {
        process.kill(-child.pid!, "SIGKILL")
      } catch {
        // It has ended by itself.
      }
    }
    const timer = setTimeout(() => {
      hung = true
      end()
    }, patience)
    process.once("exit", end)
    child.once("error", reject)
    child.once("exit", () => {
      clearTimeout(timer)
      process.off("exit", end)
      end()
      resolve(hung)
    })
  })

interface Report {
  readonly testResults: ReadonlyArray<{
    readonly status: string
    readonly message: string
    readonly assertionResults: ReadonlyArray<{
      readonly fullName: string
      readonly status: string
      readonly failureMessages: ReadonlyArray<string> | null
    }>
  }>
}

const read = (path: string): Pick<Tests, "tested" | "trouble"> => {
  const { testResults } = JSON.parse(readFileSync(path, "utf8")) as Report
  const results = testResults.flatMap(({ assertionResults }) => assertionResults)
  const tested = results
    .filter(({ status }) => status === "passed" || status === "failed")
    .map(({ failureMessages, fullName, status }) => ({
      name: fullName,
      passed: status === "passed",
      message: (failureMessages ?? []).join("\n")
    }))
  const failed = testResults.find(({ status }) => status === "failed")
  return { tested, trouble: failed !== undefined && tested.every(({ passed }) => passed) ? failed.message : undefined }
}
