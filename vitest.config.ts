import { availableParallelism } from "node:os"
import { defineConfig } from "vitest/config"

const report = process.env["ARPEGGIO_TEST_REPORT"]

const project = (name: string, root: string) => ({
  extends: true as const,
  test: { name, root, include: [name === "test" ? "**/*.test.ts" : "test/**/*.test.ts"] }
})

export default defineConfig({
  test: {
    projects: [
      project("core", "packages/core"),
      project("broker-redis", "packages/broker-redis"),
      project("cli", "packages/cli"),
      project("test", "test")
    ],
    // Most files wait for leases and processes most of the time.
    maxWorkers: Math.max(3, availableParallelism()),
    // Nothing here asserts a time: this only ends what hangs, also on a busy machine.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // .ci/run reads the totals from this file; nobody else needs it.
    reporters: report === undefined ? ["default"] : ["default", ["json", { outputFile: report }]]
  }
})
