// Reads the JSON report of a test run and prints its one-line sum: "123 passed, 0 failed". Ends with 1 when a test
// failed, when a file could not be run, or when there was nothing to run.

import { readFileSync } from "node:fs"

interface Report {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly numPendingTests: number
  readonly success: boolean
  readonly testResults: readonly { readonly status: string; readonly assertionResults: readonly unknown[] }[]
}

const path = process.argv[2]
if (path === undefined) throw new TypeError("usage: node scripts/count-tests.ts <report.json>")
const report = JSON.parse(readFileSync(path, "utf8")) as Report

// A file that fails before its first test has no failed test to count, and must not pass for that.
const brokenFiles = report.testResults.filter(
  ({ status, assertionResults }) => status === "failed" && assertionResults.length === 0,
).length
const failedCount = report.numFailedTests + brokenFiles
if (report.numPendingTests > 0) console.log(`${report.numPendingTests} skipped`)
if (brokenFiles > 0) console.log(`${brokenFiles} test files could not be run; each counts as one failure`)
console.log(`${report.numPassedTests} passed, ${failedCount} failed`)
process.exitCode = report.success && failedCount === 0 && report.numPassedTests > 0 ? 0 : 1
