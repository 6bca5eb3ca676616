// One measurement in a process of its own, so that neither side finds the memory, or the compiled code, of the other.
// Both sides do the same work, with the same objects, in the same order, and what they give back is added up and checked.
//
// Arguments: "orrery" or "plain-map"; "load" or "recover"; the directory; the number of rows. Run by comparison.ts.

import { strict as assert } from "node:assert"
import { statSync } from "node:fs"
import { join } from "node:path"
import { open } from "../../src/index.ts"
import { keyOf, loadDataSet } from "./data-set.ts"
import type { City } from "./data-set.ts"
import { PlainMap } from "./plain-map.ts"
import { IN_FLIGHT_COUNT_MAX, putCities } from "./put-cities.ts"

export type SubjectName = "orrery" | "plain-map"

export interface LoadMeasurement {
  /** Until every put is as durable as the subject makes it. */
  readonly putMs: number
  /** Of each round; a round gets every city. */
  readonly getRoundsMs: readonly number[]
  /** Bytes of the log: what the next recovery reads. */
  readonly logBytes: number
}

export interface RecoverMeasurement {
  /** The first recovery of a process that has just started. */
  readonly coldRecoveryMs: number
  /** The second. */
  readonly warmRecoveryMs: number
  /** By how much heap and buffers of the process grew. */
  readonly memoryBytes: number
  /** Tables that are kept outside of the heap, by their own account; 0 where there are none. */
  readonly tableBytes: number
  readonly cityCount: number
  readonly population: number
}

interface Subject {
  putAll(cities: readonly City[]): Promise<void>
  get(key: string): City | undefined
  values(): Iterable<City>
  logBytes(): number
  tableBytes(): number
  close(): Promise<void>
}

const GET_ROUND_COUNT = 3

const subjects: Readonly<Record<SubjectName, (directory: string) => Promise<Subject>>> = {
  orrery: async (directory) => {
    const store = await open(directory)
    const table = store.table<City>("cities")
    return {
      putAll: (cities) => putCities(table, cities),
      get: (key) => table.get(key),
      values: () => table.values(),
      logBytes: () => store.metrics().log.bytes,
      tableBytes: () => store.metrics().tables.allocatedBytes + store.metrics().tables.indexBytes,
      close: () => store.close(),
    }
  },
  "plain-map": async (directory) => {
    const path = join(directory, "cities.jsonl")
    const map = new PlainMap(path)
    return {
      putAll: async (cities) => {
        for (const [index, city] of cities.entries()) {
          map.put(keyOf(city), city)
          if ((index + 1) % IN_FLIGHT_COUNT_MAX === 0) map.flush()
        }
        map.sync()
      },
      get: (key) => map.get(key),
      values: () => map.values(),
      logBytes: () => statSync(path).size,
      tableBytes: () => 0,
      close: async () => map.close(),
    }
  },
}

async function measureLoad(openSubject: () => Promise<Subject>, rowCountMax: number): Promise<LoadMeasurement> {
  const { cities } = await loadDataSet(rowCountMax)
  const population = cities.reduce((sum, city) => sum + city.population, 0)
  const subject = await openSubject()
  globalThis.gc?.()
  const startMs = performance.now()
  await subject.putAll(cities)
  const putMs = performance.now() - startMs

  const order = shuffled(cities)
  const getRoundsMs = Array.from({ length: GET_ROUND_COUNT }, () => {
    const roundStartMs = performance.now()
    let sum = 0
    for (const city of order) sum += subject.get(keyOf(city))?.population ?? NaN
    const roundMs = performance.now() - roundStartMs
    assert.equal(sum, population, "the population of all cities that were got")
    return roundMs
  })
  const logBytes = subject.logBytes()
  await subject.close()
  return { putMs, getRoundsMs, logBytes }
}

async function measureRecovery(openSubject: () => Promise<Subject>): Promise<RecoverMeasurement> {
  const emptyBytes = memoryBytes()
  const coldStartMs = performance.now()
  const subject = await openSubject()
  const coldRecoveryMs = performance.now() - coldStartMs
  const grownBytes = memoryBytes() - emptyBytes
  const tableBytes = subject.tableBytes()
  let cityCount = 0
  let population = 0
  for (const city of subject.values()) {
    cityCount++
    population += city.population
  }
  await subject.close()

  const warmStartMs = performance.now()
  const again = await openSubject()
  const warmRecoveryMs = performance.now() - warmStartMs
  await again.close()
  return { coldRecoveryMs, warmRecoveryMs, memoryBytes: grownBytes, tableBytes, cityCount, population }
}

/** What is in use, on the heap and outside of it. Requires: --expose-gc. */
function memoryBytes(): number {
  assert.ok(globalThis.gc !== undefined, "memory is measured with --expose-gc")
  globalThis.gc()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

/** The same pseudo-random order in every process. */
function shuffled<T>(items: readonly T[]): readonly T[] {
  let state = 1
  const ranked = items.map((item) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return { item, rank: state }
  })
  return ranked.sort((left, right) => left.rank - right.rank).map(({ item }) => item)
}

const [name = "", act = "", directory = "", rowCountMax = ""] = process.argv.slice(2)
const opener = (): Promise<Subject> => subjects[name as SubjectName](directory)
process.send?.(act === "load" ? await measureLoad(opener, Number(rowCountMax)) : await measureRecovery(opener))
