// Where the time goes: `node bench/profile.ts puts|gets|lone` runs W1, or a lone writer, under V8's sampling profiler, and
// prints the 30 functions with the most time of their own. Only the workload is profiled: not start-up, nor what is put
// there to be read. `--keep` leaves the profile in the folder for temporary files, for a viewer.

import { Session } from "node:inspector/promises"
import type { Profiler } from "node:inspector"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, relative } from "node:path"
import { fileURLToPath } from "node:url"
import { takeBenchmarkLock } from "./machine.ts"
import { openOrrery } from "./peers/orrery.ts"
import type { OrreryStore } from "./peers/orrery.ts"
import { fill, keyOf, Latencies, recordOf, runCallers, SEED, shuffled } from "./workload.ts"

const PRINTED_COUNT = 30
const SAMPLE_INTERVAL_US = 200

const root = join(import.meta.dirname, "..")

interface Workload {
  readonly operationCount: number
  /** Sets up, and returns what is to be profiled. */
  readonly prepare: (orrery: OrreryStore) => Promise<() => Promise<void>>
}

const workloads: Readonly<Record<string, Workload>> = {
  puts: {
    operationCount: 2_000_000,
    async prepare(orrery) {
      const put = (n: number): Promise<unknown> => orrery.put(keyOf(n), recordOf(n))
      return () => runCallers(1000, this.operationCount, put, new Latencies())
    },
  },
  gets: {
    operationCount: 3_000_000,
    async prepare(orrery) {
      const recordCount = this.operationCount / 3
      await fill(orrery, recordCount)
      const orders = [1, 2, 3].map((salt) => shuffled(recordCount, SEED + salt))
      return async () => {
        let sum = 0
        for (const order of orders) for (const n of order) sum += orrery.get(keyOf(n))?.score ?? Number.NaN
        if (Number.isNaN(sum)) throw new Error("a record is missing")
      }
    },
  },
  lone: {
    operationCount: 50_000,
    async prepare(orrery) {
      return async () => {
        for (let n = 0; n < this.operationCount; n++) await orrery.put(keyOf(n), recordOf(n))
      }
    },
  },
}

async function profileOf(run: () => Promise<void>): Promise<Profiler.Profile> {
  const session = new Session()
  session.connect()
  await session.post("Profiler.enable")
  await session.post("Profiler.setSamplingInterval", { interval: SAMPLE_INTERVAL_US })
  await session.post("Profiler.start")
  await run()
  const { profile } = await session.post("Profiler.stop")
  session.disconnect()
  return profile
}

function print({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile): void {
  const selfUs = new Map<string, number>()
  const names = new Map(nodes.map((node) => [node.id, nameOf(node)]))
  let totalUs = 0
  for (const [index, id] of samples.entries()) {
    const name = names.get(id) ?? ""
    // A sample stands for the time up to the next one.
    const deltaUs = timeDeltas[index + 1] ?? 0
    selfUs.set(name, (selfUs.get(name) ?? 0) + deltaUs)
    totalUs += deltaUs
  }
  const sorted = [...selfUs].toSorted(([, left], [, right]) => right - left).slice(0, PRINTED_COUNT)
  for (const [name, us] of sorted) {
    console.log(`${((us / totalUs) * 100).toFixed(1).padStart(6)} %  ${(us / 1000).toFixed(0).padStart(6)} ms  ${name}`)
  }
}

function nameOf({ callFrame: { functionName, url, lineNumber } }: Profiler.ProfileNode): string {
  const name = functionName === "" ? "(anonymous)" : functionName
  if (url === "") return name.startsWith("(") ? name : `${name}  (native, or compiled at run time)`
  return `${name}  ${url.startsWith("file:") ? relative(root, fileURLToPath(url)) : url}:${lineNumber + 1}`
}

async function main([name = "", ...options]: readonly string[]): Promise<void> {
  const workload = workloads[name]
  if (workload === undefined) {
    throw new TypeError(`profile takes one of ${Object.keys(workloads).join(", ")}, not "${name}"`)
  }
  const release = await takeBenchmarkLock((message) => console.error(message))
  const directory = mkdtempSync(join(tmpdir(), "orrery-profile-"))
  try {
    const orrery = await openOrrery(directory)
    const run = await workload.prepare(orrery)
    const startMs = performance.now()
    const profile = await profileOf(run)
    const ns = ((performance.now() - startMs) * 1e6) / workload.operationCount
    console.log(
      `${name}: ${workload.operationCount.toLocaleString("en")} operations, ${ns.toFixed(0)} ns each, profiler included`,
    )
    print(profile)
    await orrery.close()
    if (options.includes("--keep")) {
      const path = join(tmpdir(), `orrery-${name}.cpuprofile`)
      writeFileSync(path, JSON.stringify(profile))
      console.log(`profile: ${path}`)
    }
  } finally {
    rmSync(directory, { recursive: true, force: true })
    release()
  }
}

await main(process.argv.slice(2))
