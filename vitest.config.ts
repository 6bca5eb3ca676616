// How the test suite runs: real files and real processes need time, so the limit is generous; two workers, because the
// machines that run it have two cores. ORRERY_TEST_REPORT names a file that receives the result as JSON as well.
// ORRERY_MUTANT names a seeded bug that the run has in it (scripts/run-mutants.ts).
//
// Files share the processes of the two workers, so that the engine is loaded and compiled twice and not once a file: that
// halves what the small ones cost. Only what looks at its process as a whole has one to itself.

import { defineConfig, type TestProjectInlineConfiguration, type ViteUserConfig } from "vitest/config"
import { mutantPlugin } from "./test/mutants/mutant-plugin.ts"
import { chosenMutant } from "./test/mutants/mutants.ts"

const reportFile = process.env["ORRERY_TEST_REPORT"]
const mutant = chosenMutant(process.env)

/** Whether V8 counts what runs (scripts/coverage.ts): in the source as it is, and not in what a bundler makes of it. */
const isCounted = process.env["ORRERY_COVERAGE"] === "1"

const ALL = ["test/**/*.test.ts"]

/** What measures the memory of its process, or listens to all of it. */
const ALONE = ["test/format/value-hostile.test.ts", "test/platform/node-clock.test.ts", "test/store/snapshot.test.ts"]

/** Ten seconds here are two minutes where a dozen others share the cores. Only what does not end at all is to meet this. */
const LIMIT_MS = 600_000
/** A bug may make a test hang: that is noticed, too. */
const MUTANT_LIMIT_MS = 60_000

/**
 * Modules as Node loads them: between those that Vite's runner has loaded each call costs more, which makes everything that
 * computes a quarter slower. Only a mutant needs the runner, which puts it in.
 */
const NATIVE = { viteModuleRunner: false, nodeLoader: false }

const alone: TestProjectInlineConfiguration = { extends: true, test: { name: "alone", include: ALONE } }

const shared: TestProjectInlineConfiguration = {
  extends: true,
  test: {
    name: "shared",
    include: ALL,
    exclude: ALONE,
    isolate: false,
    setupFiles: ["test/fresh-probes.ts"],
  },
}

const config: ViteUserConfig = defineConfig({
  plugins: mutant === undefined ? [] : [mutantPlugin(mutant)],
  test: {
    // A module with a bug in it must not be found in the cache by a run without.
    ...(mutant === undefined ? {} : { fsModuleCache: false }),
    ...(isCounted
      ? { experimental: NATIVE, setupFiles: ["test/coverage-writer.ts"], include: ALL }
      : {
          ...(mutant === undefined ? { experimental: NATIVE } : {}),
          globalSetup: ["test/compiled-code.ts", "test/built-programs.ts"],
          projects: [alone, shared],
        }),
    pool: "forks",
    maxWorkers: 2,
    testTimeout: mutant === undefined ? LIMIT_MS : MUTANT_LIMIT_MS,
    hookTimeout: LIMIT_MS,
    reporters: reportFile === undefined ? ["default"] : ["default", ["json", { outputFile: reportFile }]],
  },
})

export default config
