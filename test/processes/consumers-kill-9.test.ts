// Fault 1 for consumers and views, on real processes: kill -9 at any instant, and every effect in the store has happened
// once for each commit up to the position, and after going on for every one there is.

import { expect, test } from "vitest"
import { open } from "../../src/index.ts"
import { crash } from "../../src/testing.ts"
import { programPath } from "../programs.ts"
import { temporaryDirectory } from "../store/temporary-store.ts"
import { GROUPS, keepUp } from "./consumers-kill-9-scene.ts"

/** Cycles in the default run; ORRERY_KILL_CYCLES asks for more. */
const CYCLES = Math.ceil(Number(process.env["ORRERY_KILL_CYCLES"] ?? 10) / 2)
const SEED = Number(process.env["ORRERY_SEED"] ?? 11)

test("kill -9 at any instant makes no effect of a consumer or a view happen twice, or not at all", async () => {
  const directory = await temporaryDirectory()
  let start = 0
  let counted = 0
  await crash.kill9({
    entry: programPath("test/processes/consumers-kill-9-writer.ts"),
    args: () => [String(start)],
    directory,
    cycles: CYCLES,
    seed: SEED,
    maxMs: 150,
    verify: async () => {
      await using store = await open(directory)
      const numbers = store.table<number>("numbers")
      const counts = store.table<number>("counts")
      const position = store.consumers()[0]?.position ?? 0
      for (const key of numbers.keys()) {
        const isPast = numbers.getVersioned(key).version <= position
        expect(counts.get(key), `the count of ${key}, at position ${position}`).toBe(isPast ? 1 : undefined)
      }
      counted = counts.size
      const { consumer, view } = keepUp(store)
      await view.ready()
      while (consumer.lag > 0 || view.lag > 0) await new Promise((resolve) => setTimeout(resolve, 2))
      const sums = Array.from({ length: GROUPS }, () => 0)
      for (const n of numbers.values()) sums[n % GROUPS] = (sums[n % GROUPS] ?? 0) + n
      expect(counts.size).toBe(numbers.size)
      expect(new Set(counts.values())).toEqual(new Set(numbers.size > 0 ? [1] : []))
      for (const [group, sum] of sums.entries()) expect(view.table.get(String(group)) ?? 0).toBe(sum)
      start = Math.max(-1, ...numbers.values()) + 1
    },
  })
  expect(counted).toBeGreaterThan(0)
})
