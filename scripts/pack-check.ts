/**
 * Proves the packages as a stranger gets them: packs each one, lints the tarballs (publint, attw), installs them with
 * `effect` into an empty project outside of the repository, type-checks `packed-flow.ts` there against the packed
 * declarations, and runs it on the packed JavaScript.
 */
import { spawnSync } from "node:child_process"
import { copyFileSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import * as path from "node:path"

interface Manifest {
  readonly name: string
  readonly version: string
  readonly bin?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
}

const root = path.resolve(import.meta.dirname, "..")
const project = mkdtempSync(path.join(tmpdir(), "arpeggio-packed-"))
process.on("exit", () => rmSync(project, { recursive: true, force: true }))

const manifestOf = (folder: string): Manifest =>
  JSON.parse(readFileSync(path.join(root, folder, "package.json"), "utf8")) as Manifest

/** Runs a command in a folder, and says what it printed only when it fails. */
const run = (cwd: string, command: string, ...args: ReadonlyArray<string>): void => {
  console.log(`$ ${[command, ...args].join(" ").replaceAll(project, "$PROJECT")}`)
  const { error, output, status } = spawnSync(command, args, { cwd, encoding: "utf8" })
  if (status === 0) return
  process.stderr.write(error === undefined ? output.join("") : `${error.message}\n`)
  process.exit(1)
}

const packages = globSync("packages/*", { cwd: root }).toSorted()
const { devDependencies: tools = {} } = manifestOf(".")

// A file whose source is gone would be packed too.
for (const folder of packages) {
  rmSync(path.join(root, folder, "dist"), { recursive: true, force: true })
  rmSync(path.join(root, folder, ".tsbuildinfo"), { recursive: true, force: true })
}
run(root, "tsc", "-b", "tsconfig.build.json")

const dependencies: Record<string, string> = {}
for (const folder of packages) {
  const { name, version } = manifestOf(folder)
  const tarball = `${name.replace("@", "").replace("/", "-")}-${version}.tgz`
  run(path.join(root, folder), "pnpm", "pack", "--pack-destination", project)
  run(project, "publint", "run", tarball, "--strict")
  run(project, "attw", tarball, "--profile", "esm-only", "--no-summary", "--no-emoji")
  dependencies[name] = `file:./${tarball}`
}

const versionOf = (name: string) => ({ [name]: tools[name] })
writeFileSync(
  path.join(project, "package.json"),
  JSON.stringify({
    name: "stranger",
    private: true,
    type: "module",
    dependencies: { ...dependencies, ...versionOf("effect") },
    devDependencies: versionOf("@types/node")
  })
)
writeFileSync(
  path.join(project, "tsconfig.json"),
  JSON.stringify({
    // The packed declarations are checked too (`skipLibCheck: false`); those of effect need the DOM's names.
    compilerOptions: {
      target: "ES2024",
      lib: ["ES2024", "DOM", "DOM.AsyncIterable"],
      module: "NodeNext",
      strict: true,
      exactOptionalPropertyTypes: true,
      verbatimModuleSyntax: true,
      erasableSyntaxOnly: true,
      skipLibCheck: false,
      noEmit: true,
      types: ["node"]
    },
    files: ["packed-flow.ts"]
  })
)
copyFileSync(path.join(root, "scripts", "packed-flow.ts"), path.join(project, "packed-flow.ts"))
run(project, "npm", "install", "--no-audit", "--no-fund", "--loglevel=error")
run(project, "tsc", "-p", ".")
run(project, process.execPath, "packed-flow.ts")
for (const folder of packages) {
  const { bin = {} } = manifestOf(folder)
  for (const name of Object.keys(bin)) run(project, path.join("node_modules", ".bin", name), "--version")
}
