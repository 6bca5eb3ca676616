// Compressed or not, from whatever size on, live or recovered, in a checkpoint or in the log: a value is the value that was
// put, and the root of the content does not tell how it is kept.

import "../../src/actors/engine.ts"
import fc from "fast-check"
import { expect, test } from "vitest"
import { open } from "../../src/index.ts"
import type { CompressOption, Store } from "../../src/index.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import type { SimulatedPlatform } from "../../src/simulation/simulated-platform.ts"
import { assertSame } from "../format/same-value.ts"
import { naiveRoot } from "../merkle/naive-root.ts"
import { copyOfDisk } from "../recovery/reference-store.ts"
import { anyPlan, build } from "./any-value.ts"
import { untilSettled } from "./store-history.ts"

const RUN_COUNT = Number(process.env["ORRERY_RUNS"] ?? 25)
const SEED = Number(process.env["ORRERY_SEED"] ?? 7_771)

const option: fc.Arbitrary<CompressOption> = fc.oneof(
  fc.boolean(),
  fc.record({ from: fc.constantFrom(1, 2, 20, 100, 1_000, 20_000) }),
)
/** Values alone, and with so much text behind them that they are worth compressing. */
const value = fc.tuple(anyPlan, fc.constantFrom(0, 0, 1, 30, 400)).map(([plan, times]) => {
  const made = build(plan, [])
  return times === 0 ? made : [made, "text that is said again. ".repeat(times), made]
})
const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("put" as const),
      key: fc.nat(6),
      value,
      compress: fc.option(option, { nil: undefined }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("checkpoint" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("reopen" as const), compress: option }) },
)

let compressedCount = 0

async function openOn(platform: SimulatedPlatform, compress: CompressOption): Promise<Store> {
  return untilSettled(platform, open("/data", { platform, compress, merkle: true, segmentBytes: 8192, shards: 2 }))
}

async function expectContent(store: Store, platform: SimulatedPlatform, content: Map<string, unknown>): Promise<void> {
  const table = store.table("t")
  expect([...table.keys()].toSorted()).toEqual([...content.keys()].toSorted())
  for (const [key, expected] of content) assertSame(table.get(key), expected)
  const { root } = await untilSettled(platform, store.merkleRoot())
  expect(root).toBe(naiveRoot(Array.from(content, ([key, expected]) => ({ table: "t", key, value: expected }))))
}

test("every value comes back equal, live and recovered, under the same root", async () => {
  await fc.assert(
    fc.asyncProperty(option, option, fc.array(step, { minLength: 1, maxLength: 12 }), async (first, last, steps) => {
      const platform = simulatePlatform({ seed: 1 })
      const content = new Map<string, unknown>()
      let store = await openOn(platform, first)
      for (const step of steps) {
        if (step.kind === "put") {
          const table = store.table("t", step.compress === undefined ? {} : { compress: step.compress })
          await untilSettled(platform, table.put(`k${step.key}`, step.value))
          content.set(`k${step.key}`, step.value)
          compressedCount += store.metrics().compression.compressed
        } else if (step.kind === "checkpoint") await untilSettled(platform, store.checkpoint())
        else {
          await untilSettled(platform, store.close())
          store = await openOn(platform, step.compress)
        }
      }
      await expectContent(store, platform, content)
      await untilSettled(platform, store.flush())
      // As a kill would leave it.
      const recovered = simulatePlatform({ seed: 2, disk: await copyOfDisk(platform.fileSystem.files()) })
      const again = await openOn(recovered, last)
      await expectContent(again, recovered, content)
      await untilSettled(recovered, again.close())
      await untilSettled(platform, store.close())
    }),
    { numRuns: RUN_COUNT, seed: SEED },
  )
  expect(compressedCount).toBeGreaterThan(RUN_COUNT)
})
