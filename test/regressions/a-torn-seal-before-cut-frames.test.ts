// Cause: a power cut lost the first frame of a new segment and kept a later one, both unsynced. Recovery cuts that one, and
// writes the seal of the segment before again, in its place; the frame that was cut was still there then. A second power cut
// that tore the seal left an unsealed segment with a whole frame in the next one. Symptom: the store was refused as damaged,
// though nothing that was acknowledged had gone. Fix: the segment is emptied, and synced, before the seal is written.
// Found by crashing into the recoveries of states that give every unsynced sector a fate of its own.

import { expect, test } from "vitest"
import { segmentFile } from "../../src/format/file-names.ts"
import { FRAME_SEAL } from "../../src/format/frame.ts"
import { crashStates } from "../../src/simulation/crash-states.ts"
import { recoverDisk } from "../property/recovered-state.ts"
import { differences } from "../property/store-history.ts"
import { contentAt, copyOfDisk, framesIn, makeStore, segmentsIn, withBytes } from "../recovery/reference-store.ts"

test("a seal that is torn while it is written again finds no frame behind it", async () => {
  const { platform, commits } = await makeStore({ commitCount: 24, levelOf: () => "written" })
  const files = platform.fileSystem.crash("kill").files()
  const segment = segmentsIn(files).findLast((number) => framesIn(files, number).length > 0) as number
  const [first, second] = framesIn(files, segment)
  const before = framesIn(files, segment - 1).at(-1)
  expect(second).toMatchObject({ durableLsn: (first?.firstLsn as number) - 1 })
  expect(before?.kind).toBe(FRAME_SEAL)
  const lost = new Uint8Array((first?.end as number) - (first?.offset as number))
  const disk = await copyOfDisk(withBytes(files, segmentFile(segment), first?.offset as number, lost))
  const { report } = await recoverDisk(disk, 1, true)
  expect(report.lastLsn).toBe((first?.firstLsn as number) - 1)
  const expected = contentAt(commits, report.lastLsn)
  let torn = 0
  for (const state of crashStates(disk.trace())) {
    if (state.kind.startsWith("torn")) torn++
    const { content } = await recoverDisk(state.mount({ keepsTrace: false }), 2, false)
    expect(differences(content, expected), state.describe()).toEqual([])
  }
  expect(torn).toBeGreaterThan(0)
})
