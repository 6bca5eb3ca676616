// The same work by the store and by a plain Map with a file, each step in a fresh process, one after the other.

import { strict as assert } from "node:assert"
import { mkdirSync, readdirSync, statSync } from "node:fs"
import { join } from "node:path"
import { runChild } from "./child.ts"
import type { DataSet } from "./data-set.ts"
import type { LoadMeasurement, RecoverMeasurement, SubjectName } from "./measure.ts"

export interface Result {
  readonly putMs: number
  readonly logBytes: number
  /** The median of the rounds. */
  readonly getMs: number
  /** In a process that has just started, and once more in the same process. */
  readonly coldRecoveryMs: number
  readonly warmRecoveryMs: number
  readonly memoryBytes: number
  readonly tableBytes: number
  /** Space that the files take after closing. */
  readonly diskBytes: number
}

export async function compare(
  { cities, rowCount }: DataSet,
  directory: string,
  signal: AbortSignal,
): Promise<Readonly<Record<SubjectName, Result>>> {
  const population = cities.reduce((sum, city) => sum + city.population, 0)
  const measure = async (name: SubjectName): Promise<Result> => {
    const subjectDirectory = join(directory, name)
    mkdirSync(subjectDirectory)
    const run = <T>(act: string): Promise<T> => runMeasurement(name, act, subjectDirectory, rowCount, signal)
    const load = await run<LoadMeasurement>("load")
    const diskBytes = spaceOf(subjectDirectory)
    const recovery = await run<RecoverMeasurement>("recover")
    assert.equal(recovery.cityCount, cities.length, `the number of cities that ${name} has recovered`)
    assert.equal(recovery.population, population, `the population that ${name} has recovered`)
    return {
      putMs: load.putMs,
      logBytes: load.logBytes,
      getMs: median(load.getRoundsMs),
      diskBytes,
      coldRecoveryMs: recovery.coldRecoveryMs,
      warmRecoveryMs: recovery.warmRecoveryMs,
      memoryBytes: recovery.memoryBytes,
      tableBytes: recovery.tableBytes,
    }
  }
  return { orrery: await measure("orrery"), "plain-map": await measure("plain-map") }
}

async function runMeasurement<T>(
  name: SubjectName,
  act: string,
  directory: string,
  rowCount: number,
  signal: AbortSignal,
): Promise<T> {
  let result: T | undefined
  const end = await runChild<T>(new URL("./measure.ts", import.meta.url), [name, act, directory, String(rowCount)], {
    execArguments: ["--expose-gc"],
    signal,
    onMessage: (message) => {
      result = message
    },
  })
  assert.ok(end.exitCode === 0, `measuring ${name} ended with ${end.exitCode ?? end.endSignal}`)
  assert.ok(result !== undefined, `measuring ${name} ended without a result`)
  return result
}

function spaceOf(directory: string): number {
  // Blocks are of 512 bytes, whatever the file system's are.
  return readdirSync(directory).reduce((sum, name) => sum + statSync(join(directory, name)).blocks * 512, 0)
}

function median(values: readonly number[]): number {
  return values.toSorted((left, right) => left - right)[values.length >> 1] ?? NaN
}
