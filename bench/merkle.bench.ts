// The Merkle tree: what it takes from writers that never rest and from those that do, how long it takes to be made, brought
// up to date and asked for proofs, and what it costs to find a few differences between two large stores.

import { join } from "node:path"
import { verifyProof } from "../src/index.ts"
import type { MerkleNode, MerkleSource, OpenOptions } from "../src/index.ts"
import type { Context, Row, Series, Variant } from "./harness.ts"
import { interleave, notesOf, ratiosOf } from "./harness.ts"
import { openOrrery } from "./peers/orrery.ts"
import { figure, formatMegabytes, formatMs, formatRate } from "./report.ts"
import type { Report } from "./report.ts"
import { expectEqual, PauseWatch } from "./scenario.ts"
import type { Measured, ScenarioInput, Scenarios } from "./scenario.ts"
import { spread } from "./statistics.ts"
import { fill, keyOf, Latencies, recordOf, runCallers, warmCountFor } from "./workload.ts"

/** Records that are changed, proven, and differ. */
const SOME_COUNT = 1_000
/** Puts a second of the writer that rests. */
const PACED_RATE = 20_000

export const scenarios: Scenarios = { write, pace, tree, differ }

function optionsOf(mode: string): OpenOptions {
  return { checkpoint: false, merkle: mode === "kept" ? { refreshMs: 250 } : false }
}

/** Writers that never rest. `mode`: whether the tree is kept. */
async function write({ directory, count, callers, mode }: ScenarioInput): Promise<Measured> {
  const orrery = await openOrrery(directory, optionsOf(mode))
  let next = 0
  const put = (): Promise<unknown> => orrery.put(keyOf(next), recordOf(next++))
  await runCallers(callers, warmCountFor(count), put, new Latencies())
  const latencies = new Latencies()
  const watch = new PauseWatch()
  const startMs = performance.now()
  await runCallers(callers, count, put, latencies)
  const elapsedMs = performance.now() - startMs
  const pauses = await watch.stop()
  const { records, bytes } = await current(orrery.store)
  const untilCurrentMs = performance.now() - startMs
  if (mode === "kept") expectEqual("records in the tree", records, next)
  await orrery.close()
  return {
    numbers: {
      putsPerSecond: (count / elapsedMs) * 1000,
      untilCurrentPerSecond: (count / untilCurrentMs) * 1000,
      bytesPerRecord: bytes / next,
      ...latencies.summary(),
      ...pauses,
    },
  }
}

async function current(
  store: Awaited<ReturnType<typeof openOrrery>>["store"],
): Promise<{ records: number; bytes: number }> {
  const { records } = await store.merkleRoot()
  return { records, bytes: store.metrics().merkle.bytes }
}

/** A writer of a certain rate, which leaves the thread free in between: what of the processor the tree takes then. */
async function pace({ directory, count, mode }: ScenarioInput): Promise<Measured> {
  const orrery = await openOrrery(directory, optionsOf(mode))
  await fill(orrery, count)
  if (mode === "kept") await orrery.store.merkleRoot()
  const watch = new PauseWatch()
  const latencies = new Latencies()
  const startMs = performance.now()
  for (let n = 0; n < count;) {
    const due = Math.min(count, Math.floor(((performance.now() - startMs) / 1000) * PACED_RATE))
    const writes: Promise<unknown>[] = []
    const beganMs = performance.now()
    for (; n < due; n++) writes.push(orrery.put(keyOf(n), recordOf(n + 1)))
    await Promise.all(writes)
    if (writes.length > 0) latencies.record(performance.now() - beganMs)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  const pauses = await watch.stop()
  await orrery.close()
  return { numbers: { cpuNsPerPut: ((pauses["threadCpuMs"] ?? 0) * 1e6) / count, ...latencies.summary(), ...pauses } }
}

/** How long a tree takes to be made, to be brought up to date, and to give proofs. */
async function tree({ directory, count }: ScenarioInput): Promise<Measured> {
  const filled = await openOrrery(directory, { checkpoint: false })
  await fill(filled, count)
  await filled.store.checkpoint()
  await filled.close()
  const openStartMs = performance.now()
  const { store, users } = await openOrrery(directory, { checkpoint: false, merkle: { verify: "before" } })
  const openMs = performance.now() - openStartMs
  const watch = new PauseWatch()
  const { root, records } = await store.merkleRoot()
  expectEqual("records", records, count)
  const { bytes } = store.metrics().merkle
  const proof = await users.prove(keyOf(7))
  expectEqual("the proof", verifyProof(root, proof), true)
  const proveStartMs = performance.now()
  for (let n = 0; n < SOME_COUNT; n++) await users.prove(keyOf(n * 31))
  const proveMs = (performance.now() - proveStartMs) / SOME_COUNT
  const verifyStartMs = performance.now()
  for (let n = 0; n < SOME_COUNT; n++) verifyProof(root, proof)
  const verifyMs = (performance.now() - verifyStartMs) / SOME_COUNT
  await users.putMany(Array.from({ length: SOME_COUNT }, (_, n) => [keyOf(n * 37), recordOf(n)] as const))
  const updateStartMs = performance.now()
  await store.merkleRoot()
  const updateMs = performance.now() - updateStartMs
  await watch.stop()
  await store.close()
  return {
    numbers: {
      openMs,
      nsPerLeaf: (openMs * 1e6) / count,
      bytesPerRecord: bytes / count,
      proofBytes: JSON.stringify(proof).length,
      proveMs,
      verifyMs,
      updateMs,
    },
  }
}

/** Two stores that differ in some keys. */
async function differ({ directory, count }: ScenarioInput): Promise<Measured> {
  const here = await openOrrery(join(directory, "here"), { checkpoint: false, merkle: true })
  const there = await openOrrery(join(directory, "there"), { checkpoint: false, merkle: true })
  await fill(here, count)
  await fill(there, count)
  await here.store.merkleRoot()
  await there.store.merkleRoot()
  for (let n = 0; n < SOME_COUNT; n++) await there.users.put(keyOf((n * 7919) % count), recordOf(-n - 1))
  await there.store.merkleRoot()
  let nodes = 0
  const source = there.store.merkleSource()
  const counted: MerkleSource = {
    nodes: (prefixes: readonly string[]): Promise<readonly MerkleNode[]> => {
      nodes += prefixes.length
      return source.nodes(prefixes)
    },
  }
  let found = 0
  const startMs = performance.now()
  for await (const difference of here.store.merkleDifference(counted)) if (difference.key !== undefined) found++
  const differMs = performance.now() - startMs
  expectEqual("differences", found, SOME_COUNT)
  await here.close()
  await there.close()
  return { numbers: { differMs, nodesPerDifference: nodes / SOME_COUNT } }
}

function variantsOf(total: number): Variant[] {
  const variant = (name: string, scenario: string, input: Partial<ScenarioInput>): Variant => ({
    name,
    scenario,
    input: { count: total, callers: 1000, ...input },
  })
  return [
    variant("W1 without a tree", "write", { mode: "off" }),
    variant("W1 with a tree", "write", { mode: "kept" }),
    variant("20,000 puts a second without a tree", "pace", { mode: "off", count: total / 5 }),
    variant("20,000 puts a second with a tree", "pace", { mode: "kept", count: total / 5 }),
    variant("a tree is made", "tree", {}),
    variant("two stores are compared", "differ", {}),
  ]
}

function writerLine(series: Series): string[] {
  if (!series.isMeasured) return [series.name, series.status]
  const isPaced = series.name.includes("a second")
  return [
    series.name,
    isPaced ? "–" : spread(series.values("putsPerSecond"), formatRate),
    isPaced ? "–" : formatRate(series.median("untilCurrentPerSecond")),
    isPaced ? `${series.median("cpuNsPerPut").toFixed(0)} ns` : "–",
    formatMs(series.median("p50Ms")),
    formatMs(series.median("p99Ms")),
    formatMs(series.median("loopP99Ms")),
  ]
}

async function run(context: Context): Promise<Report> {
  const total = context.isQuick ? 20_000 : 1_000_000
  const rounds = context.rounds(context.isQuick ? 1 : 3)
  const all = await interleave(context, "merkle", variantsOf(total), rounds, ({ numbers }) =>
    formatMs(numbers["openMs"] ?? numbers["differMs"] ?? numbers["p99Ms"] ?? 0),
  )
  const named = (name: string): Series | undefined => all.find((series) => series.name === name)
  const made = named("a tree is made")
  const compared = named("two stores are compared")
  const numbersOf = (series: Series | undefined, name: string): number[] =>
    series?.isMeasured === true ? series.values(name) : []
  const text = (series: Series | undefined, name: string, format: (value: number) => string): string =>
    series?.isMeasured === true ? spread(series.values(name), format) : "–"
  return {
    title: "The Merkle tree",
    setting: `${total.toLocaleString("en")} records, 1,000 callers or ${PACED_RATE.toLocaleString("en")} puts a second, synced, ${rounds} rounds.`,
    tables: [
      {
        header: [
          "writers",
          "puts/s: median [lowest … highest]",
          "puts/s until the root is there",
          "processor a put",
          "p50",
          "p99",
          "event loop p99",
        ],
        rows: all.filter((series) => series !== made && series !== compared).map(writerLine),
      },
      {
        header: ["what", "figure: median [lowest … highest]"],
        rows: [
          ["opening with the tree made and compared", text(made, "openMs", formatMs)],
          ["the same for each record", text(made, "nsPerLeaf", (value) => `${value.toFixed(0)} ns`)],
          ["memory of a record", text(made, "bytesPerRecord", (value) => `${value.toFixed(0)} B`)],
          ["memory of all of it", text(made, "bytesPerRecord", (value) => formatMegabytes(value * total))],
          [`the root after ${SOME_COUNT} changes`, text(made, "updateMs", formatMs)],
          ["a proof", text(made, "proveMs", formatMs)],
          ["its size", text(made, "proofBytes", (value) => `${value.toFixed(0)} B`)],
          ["its verification", text(made, "verifyMs", formatMs)],
          [`${SOME_COUNT} differences of two stores`, text(compared, "differMs", formatMs)],
          ["nodes read for each of them", text(compared, "nodesPerDifference", (value) => value.toFixed(1))],
        ],
      },
    ],
    figures: [
      figure(
        "W1 with a tree, against W1 without",
        { atLeast: 0.5 },
        ratiosOf(named("W1 with a tree"), named("W1 without a tree"), "putsPerSecond"),
      ),
      figure("a record of the tree", { atMost: 5_000, unit: " ns" }, numbersOf(made, "nsPerLeaf")),
      figure("memory of a record in the tree", { atMost: 120, unit: " B" }, numbersOf(made, "bytesPerRecord")),
      figure("nodes read for a difference", { atMost: 8, unit: "" }, numbersOf(compared, "nodesPerDifference")),
    ],
    notes: [
      ...notesOf(all),
      "Opening has reading the checkpoint in it. The tree is off by default; these are its costs where it is on.",
    ],
  }
}

export const row: Row = {
  name: "merkle",
  title: "The Merkle tree beside writers, made, proven, compared",
  estimateSeconds: (isQuick) => (isQuick ? 20 : 150),
  hasQuickSize: true,
  run,
}
