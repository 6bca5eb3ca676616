// I4: what a crash leaves is never called damaged, and is salvaged to what open finds; what is damaged at random places is
// never called good unless it opens equal, and salvage loses the commits that it lists, and no other.

import fc from "fast-check"
import { expect, test } from "vitest"
import { salvageStore } from "../../src/recovery/salvage.ts"
import { verifyStore } from "../../src/recovery/verify.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import { checkedStore, contentWithout, openedContent } from "../recovery/checked-store.ts"
import { contentAt, copyOfDisk, DIRECTORY } from "../recovery/reference-store.ts"
import { recoverDisk } from "./recovered-state.ts"
import { differences, historyArbitrary, runHistory } from "./store-history.ts"

const TARGET = "/saved"

test("whatever a crash leaves of a history is good or a torn tail, and salvaged to what open finds", async () => {
  const verdicts = new Set<string>()
  let checkpoints = 0
  await fc.assert(
    fc.asyncProperty(
      historyArbitrary(50, 4),
      fc.constantFrom("kill", "nothing", "everything", "sample", "sample"),
      fc.integer({ min: 3, max: 25 }),
      fc.nat(1_000),
      async (steps, kind, spacing, seed) => {
        const platform = simulatePlatform({ seed })
        let made = 0
        await runHistory(platform, steps, 4096, ({ store }) => {
          // Beside the writers, and cut off by whatever comes.
          if (++made % spacing === 0) store.checkpoint().catch(() => undefined)
        })
        const disk = platform.fileSystem.crash(kind, { seed })
        const left = await copyOfDisk(disk.files())
        const report = await verifyStore(simulatePlatform({ seed, disk: left }), DIRECTORY)
        expect(report.findings.filter(({ isDamage }) => isDamage)).toEqual([])
        verdicts.add(report.verdict)
        checkpoints += report.checkpoints
        const saved = await salvageStore(simulatePlatform({ seed, disk: left }), DIRECTORY, TARGET)
        expect(saved.lostRanges).toEqual([])
        const { content, report: opened } = await recoverDisk(left, seed, false)
        expect(report.lastLsn).toBe(opened.lastLsn)
        expect(differences(await openedContent(left, TARGET), content)).toEqual([])
      },
    ),
    { numRuns: 50, seed: Number(process.env["ORRERY_SEED"] ?? 11) },
  )
  expect([...verdicts]).toContain("torn tail")
  expect(checkpoints).toBeGreaterThan(30)
})

/** What is done to a file: bytes turned over, the end cut off, or all of it gone. */
const damageArbitrary = fc.record({
  file: fc.nat(),
  at: fc.nat(),
  size: fc.integer({ min: 1, max: 40 }),
  kind: fc.constantFrom("flip", "flip", "flip", "zeros", "cut", "gone"),
})

test("random damage is never called good unless it opens equal, and costs the commits that are listed", async () => {
  const stores = [
    await checkedStore({ parts: [60], end: "closed" }),
    await checkedStore({ parts: [25, 25, 12], end: "killed" }),
    await checkedStore({ parts: [50, 50, 12], end: "closed", keep: 2 }),
  ]
  let lossy = 0
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...stores),
      fc.array(damageArbitrary, { minLength: 1, maxLength: 4 }),
      async ({ files, commits }, damages) => {
        const left = new Map(files)
        for (const { file, at, size, kind } of damages) {
          const names = [...left.keys()].filter((name) => /wal-|checkpoint-/.test(name))
          const name = names[file % names.length]
          if (name === undefined) continue
          const bytes = (left.get(name) as Uint8Array).slice()
          const offset = at % Math.max(bytes.length, 1)
          if (kind === "gone") left.delete(name)
          else if (kind === "cut") left.set(name, bytes.slice(0, offset))
          else {
            for (let index = offset; index < Math.min(offset + size, bytes.length); index++) {
              bytes[index] = kind === "zeros" ? 0 : (bytes[index] as number) ^ 0xff
            }
            left.set(name, bytes)
          }
        }
        const disk = await copyOfDisk(left)
        const before = disk.files()
        const { verdict } = await verifyStore(simulatePlatform({ seed: 1, disk }), DIRECTORY)
        const saved = await salvageStore(simulatePlatform({ seed: 1, disk }), DIRECTORY, TARGET)
        for (const [name, bytes] of before) expect(disk.files().get(name)).toEqual(bytes)
        if (saved.lostRanges.length > 0) {
          lossy++
          expect(verdict).toBe("damaged")
        }
        // Behind the last LSN that was found nothing says that there was more.
        const found = commits.filter(({ lsn }) => lsn <= Math.max(saved.lastLsn, saved.checkpointLsn))
        const content = await openedContent(disk, TARGET)
        expect(differences(content, contentWithout(found, saved.lostRanges))).toEqual([])
        const opened = await recoverDisk(disk, 1, false).catch(() => undefined)
        if (opened === undefined) expect(verdict).toBe("damaged")
        else {
          // What opens is salvaged to the same.
          expect(differences(content, opened.content)).toEqual([])
          if (opened.report.warnings.length > 0) expect(verdict).toBe("damaged")
        }
        if (verdict === "good") {
          const whole = contentAt(commits, saved.lastLsn)
          expect(differences(opened?.content ?? new Map(), whole)).toEqual([])
        }
      },
    ),
    { numRuns: 200, seed: Number(process.env["ORRERY_SEED"] ?? 12) },
  )
  expect(lossy).toBeGreaterThan(50)
})
