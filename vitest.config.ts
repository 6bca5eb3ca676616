// How the test suite runs: real files and real processes need time, so the limit is generous; two workers, because the
// machines that run it have two cores. ORRERY_TEST_REPORT names a file that receives the result as JSON as well.
// ORRERY_MUTANT names a seeded bug that the run has in it (scripts/run-mutants.ts).

import { defineConfig, type ViteUserConfig } from "vitest/config"
import { mutantPlugin } from "./test/mutants/mutant-plugin.ts"
import { chosenMutant } from "./test/mutants/mutants.ts"

const reportFile = process.env["ORRERY_TEST_REPORT"]
const mutant = chosenMutant(process.env)

/** Whether V8 counts what runs (scripts/coverage.ts): in the source as it is, and not in what a bundler makes of it. */
const isCounted = process.env["ORRERY_COVERAGE"] === "1"

const config: ViteUserConfig = defineConfig({
  plugins: mutant === undefined ? [] : [mutantPlugin(mutant)],
  test: {
    // A module with a bug in it must not be found in the cache by a run without.
    ...(mutant === undefined ? {} : { fsModuleCache: false }),
    ...(isCounted ? { experimental: { viteModuleRunner: false }, setupFiles: ["test/coverage-writer.ts"] } : {}),
    include: ["test/**/*.test.ts"],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 30_000,
    reporters: reportFile === undefined ? ["default"] : ["default", ["json", { outputFile: reportFile }]],
  },
})

export default config
