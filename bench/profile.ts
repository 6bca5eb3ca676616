// Where the time goes: `node bench/profile.ts puts|gets|lone` runs W1 under V8's sampling profiler, in a process of its own,
// and prints the 30 functions with the most time of their own. With `--keep`, the profile stays, for a viewer.

import { spawnSync } from "node:child_process"
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, relative } from "node:path"
import { fileURLToPath } from "node:url"
import { takeBenchmarkLock } from "./machine.ts"
import { openOrrery } from "./peers/orrery.ts"
import type { OrreryStore } from "./peers/orrery.ts"
import { entriesOf, keyOf, Latencies, recordOf, runCallers, SEED, shuffled } from "./workload.ts"

const PRINTED_COUNT = 30
const SAMPLE_INTERVAL_US = 200

const root = join(import.meta.dirname, "..")

/** What may be profiled, over how many records. */
const workloads: Readonly<Record<string, (orrery: OrreryStore) => Promise<number>>> = {
  async puts(orrery) {
    const count = 2_000_000
    const order = shuffled(count, SEED)
    const put = (index: number): Promise<unknown> => {
      const n = order[index] as number
      return orrery.put(keyOf(n), recordOf(n))
    }
    await runCallers(1000, count, put, new Latencies())
    return count
  },
  async gets(orrery) {
    const count = 1_000_000
    const order = shuffled(count, SEED)
    for (let start = 0; start < count; start += 1000) await orrery.putMany(entriesOf(order, start, start + 1000))
    let sum = 0
    for (let round = 0; round < 3; round++) {
      for (const n of shuffled(count, SEED + 1 + round)) sum += orrery.get(keyOf(n))?.age ?? Number.NaN
    }
    if (Number.isNaN(sum)) throw new Error("a record is missing")
    return 3 * count
  },
  async lone(orrery) {
    const count = 50_000
    for (let n = 0; n < count; n++) await orrery.put(keyOf(n), recordOf(n))
    return count
  },
}

interface ProfileNode {
  readonly id: number
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
}

interface Profile {
  readonly nodes: readonly ProfileNode[]
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

async function runWorkload(name: string): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "orrery-profile-"))
  try {
    const orrery = await openOrrery(directory)
    const startMs = performance.now()
    const count = (await workloads[name]?.(orrery)) ?? 0
    const elapsedMs = performance.now() - startMs
    console.log(
      `${name}: ${count.toLocaleString("en")} operations, ${((elapsedMs * 1e6) / count).toFixed(0)} ns each, profiler included`,
    )
    await orrery.close()
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

function print(profile: Profile): void {
  const selfUs = new Map<string, number>()
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]))
  let totalUs = 0
  for (const [index, id] of profile.samples.entries()) {
    const { functionName, url, lineNumber } = (nodes.get(id) as ProfileNode).callFrame
    const file = url.startsWith("file:") ? relative(root, fileURLToPath(url)) : url
    const name = `${functionName === "" ? "(anonymous)" : functionName}  ${file}${file === "" ? "" : `:${lineNumber + 1}`}`
    // A sample stands for the time up to the next one.
    const deltaUs = profile.timeDeltas[index + 1] ?? 0
    selfUs.set(name, (selfUs.get(name) ?? 0) + deltaUs)
    totalUs += deltaUs
  }
  console.log(`self time of ${(totalUs / 1e6).toFixed(2)} s in all, the whole process, start-up included`)
  const sorted = [...selfUs].sort(([, left], [, right]) => right - left).slice(0, PRINTED_COUNT)
  for (const [name, us] of sorted) {
    console.log(`${((us / totalUs) * 100).toFixed(1).padStart(6)} %  ${(us / 1000).toFixed(0).padStart(6)} ms  ${name}`)
  }
}

async function main([name = "", ...options]: readonly string[]): Promise<void> {
  if (options.includes("--child")) return runWorkload(name)
  if (workloads[name] === undefined) {
    throw new TypeError(`profile takes one of ${Object.keys(workloads).join(", ")}, not "${name}"`)
  }
  const release = await takeBenchmarkLock((message) => console.error(message))
  const folder = mkdtempSync(join(tmpdir(), "orrery-profile-"))
  try {
    const { status } = spawnSync(
      process.execPath,
      [
        "--cpu-prof",
        `--cpu-prof-dir=${folder}`,
        `--cpu-prof-interval=${SAMPLE_INTERVAL_US}`,
        import.meta.filename,
        name,
        "--child",
      ],
      { stdio: "inherit" },
    )
    if (status !== 0) throw new Error(`the workload ended with ${String(status)}`)
    const [file = ""] = readdirSync(folder).filter((entry) => entry.endsWith(".cpuprofile"))
    print(JSON.parse(readFileSync(join(folder, file), "utf8")) as Profile)
    if (options.includes("--keep")) console.log(`profile: ${join(folder, file)}`)
  } finally {
    if (!options.includes("--keep")) rmSync(folder, { recursive: true, force: true })
    release()
  }
}

await main(process.argv.slice(2))
