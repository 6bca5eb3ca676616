// I2, I5: every call of the operating system may fail, once or until further notice, and no promise is broken: what was
// acknowledged is there, live and after a power cut; what was rejected is not; opening fails with a typed error or works.
//
// The errno sweep: a reference history runs once to count its calls, then once more for each call and each error.

import fc from "fast-check"
import { expect, test } from "vitest"
import { OrreryError } from "../../src/index.ts"
import type { Fault } from "../../src/simulation/fault-plan.ts"
import { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import { measureFigures } from "../figures.ts"
import { contentOf, historyArbitrary, openStore, runHistory, untilSettled } from "./store-history.ts"
import type { HistoryCommit, Model, Step } from "./store-history.ts"

const SEGMENT_BYTES = 4096
const KEEP = { checkpoints: 1 }

const FAULTS: readonly ((operation: number) => Fault)[] = [
  (operation) => ({ operation, error: "EIO" }),
  (operation) => ({ operation, error: "EIO", when: "after-part" }),
  (operation) => ({ operation, error: "EIO", when: "dropping-dirty-pages" }),
  (operation) => ({ operation, error: "ENOSPC" }),
  (operation) => ({ operation, error: "ENOSPC", when: "after-part" }),
  (operation) => ({ operation, error: "EMFILE" }),
  // What Node does not try again by itself.
  (operation) => ({ operation, error: "EINTR" }),
  (operation) => ({ operation, error: "EINTR", when: "after-part" }),
  (operation) => ({ operation, quirk: "short" }),
]

const SEED = Number(process.env["ORRERY_SEED"] ?? 7)

test("each failing call of a reference history breaks no promise", async () => {
  const [steps] = fc.sample(historyArbitrary(40, 5), { numRuns: 1, seed: SEED }) as [Step[]]
  await sweep(steps)
})

test("each failing call of a history with checkpoints, which shorten the log, breaks no promise", async () => {
  const [plain] = fc.sample(historyArbitrary(24, 2), { numRuns: 1, seed: SEED + 1 }) as [Step[]]
  const put: Step = { kind: "put", table: "t0", key: "a", size: 900, level: "synced" }
  const steps = plain.flatMap((step, index): Step[] => {
    if (index % 8 === 2) return [step, put, { kind: "settle" }, put, { kind: "checkpoint" }]
    return index % 8 === 6 ? [step, { kind: "settle" }] : [step]
  })
  await sweep([...steps, put, { kind: "settle" }, { kind: "checkpoint" }, put, { kind: "settle" }])
})

async function sweep(steps: readonly Step[]): Promise<void> {
  const tellFigures = measureFigures("errno sweep", SEED)
  const callCount = await countCalls(steps)
  let runs = 0
  let hits = 0
  let refusedOpens = 0
  for (let operation = 1; operation <= callCount; operation++) {
    for (const faultAt of FAULTS) {
      const fault = faultAt(operation)
      const tell = `ORRERY_SEED=${SEED}, ${JSON.stringify(fault)}`
      const outcome = await runWith(steps, fault, tell)
      runs++
      hits += outcome.hits
      if (outcome.refusedOpen) refusedOpens++
    }
  }
  tellFigures({ runs, calls: callCount, "faults met": hits, "opens refused": refusedOpens })
  expect(hits).toBeGreaterThan(runs / 2)
  expect(refusedOpens).toBeGreaterThan(0)
}

async function countCalls(steps: readonly Step[]): Promise<number> {
  const platform = simulatePlatform({ seed: 1 })
  const { store } = await runHistory(platform, steps, SEGMENT_BYTES, undefined, KEEP)
  await untilSettled(platform, store.close())
  return platform.fileSystem.operations.length
}

async function runWith(
  steps: readonly Step[],
  fault: Fault,
  tell: string,
): Promise<{ hits: number; refusedOpen: boolean }> {
  const disk = new SimulatedDisk({ seed: 1, faults: [fault], keepsTrace: false })
  const platform = simulatePlatform({ seed: 1, disk })
  let commits: readonly HistoryCommit[] = []
  let refusedOpen = false
  try {
    const onCommit = (running: { readonly commits: readonly HistoryCommit[] }): void => {
      commits = running.commits
    }
    const history = await runHistory(platform, steps, SEGMENT_BYTES, onCommit, KEEP)
    await untilSettled(platform, history.store.ready())
    checkContent(contentOf(history.store), commits, `live, ${tell}`)
    await untilSettled(platform, history.store.close())
  } catch (error) {
    // A fault inside open or close: the caller was told, in a typed error.
    if (!(error instanceof OrreryError)) throw error
    refusedOpen = true
  }
  expect(disk.violations, tell).toEqual([])
  const { hitCount } = disk.faults
  // What a new process finds after the power went; its disk works.
  const after = simulatePlatform({ seed: 2, disk: disk.crash("nothing", { faults: [], keepsTrace: false }) })
  const again = await openStore(after, SEGMENT_BYTES)
  checkContent(contentOf(again), commits, `after the power cut, ${tell}`)
  await untilSettled(after, again.close())
  return { hits: hitCount, refusedOpen }
}

/**
 * Each key holds what its last certain commit wrote, or what one with an open outcome wrote after that. Certain is what
 * was acknowledged as synced; lower levels do not promise to survive a failing disk.
 */
function checkContent(content: Model, commits: readonly HistoryCommit[], tell: string): void {
  const allowed = new Map<string, Set<number | undefined>>()
  for (const commit of commits) {
    if (commit.outcome === "rejected") continue
    const isCertain = commit.ackedAt < Infinity
    for (const [target, n] of commit.effects) {
      const values = isCertain ? new Set<number | undefined>() : (allowed.get(target) ?? new Set([undefined]))
      allowed.set(target, values.add(n))
    }
  }
  for (const [target, values] of allowed) {
    const actual = content.get(target)
    if (!values.has(actual)) throw new Error(`${target} is ${actual}, allowed are ${[...values].join(", ")}: ${tell}`)
  }
  for (const target of content.keys()) {
    if (!allowed.has(target)) throw new Error(`${target} appeared from nowhere: ${tell}`)
  }
}
