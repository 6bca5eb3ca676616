// How the test suite runs: real files and real processes need time, so the limit is generous; two workers, because the
// machines that run it have two cores. ORRERY_TEST_REPORT names a file that receives the result as JSON as well.

import { defineConfig, type ViteUserConfig } from "vitest/config"

const reportFile = process.env["ORRERY_TEST_REPORT"]

const config: ViteUserConfig = defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 30_000,
    reporters: reportFile === undefined ? ["default"] : ["default", ["json", { outputFile: reportFile }]],
  },
})

export default config
