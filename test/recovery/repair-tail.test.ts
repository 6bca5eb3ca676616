// The repair of the tail: it ends the log where the scan did, and takes nothing away that was acknowledged, whenever it
// is cut off.

import { expect, test } from "vitest"
import { segmentFile } from "../../src/format/file-names.ts"
import { FRAME_SEAL } from "../../src/format/frame.ts"
import { crashStates } from "../../src/simulation/crash-states.ts"
import { recoverDisk } from "../property/recovered-state.ts"
import { differences } from "../property/store-history.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import { appendText, FileLogHome, textsOf } from "../wal/log-home.ts"
import { contentAt, copyOfDisk, DIRECTORY, framesIn, makeStore, withBytes } from "./reference-store.ts"

const MEBIBYTE = 1024 * 1024

test("the log ends in a seal behind the last valid frame, and in nothing else", async () => {
  const { platform } = await makeStore({ commitCount: 3 })
  const files = platform.fileSystem.crash("kill").files()
  const last = framesIn(files, 1).at(-1)
  const end = last?.end as number
  const disk = await copyOfDisk(withBytes(files, segmentFile(1), end, new Uint8Array(500).fill(0xa5)))
  await recoverDisk(disk, 1, false)
  const repaired = disk.crash("nothing").files()
  expect(repaired.get(`/data/${segmentFile(1)}`)).toHaveLength(end + 64)
  const seal = framesIn(repaired, 1).at(-1)
  expect(seal).toMatchObject({
    kind: FRAME_SEAL,
    offset: end,
    previousChecksum: last?.checksum,
    firstLsn: (last?.firstLsn as number) + 1,
    durableLsn: last?.firstLsn,
    commitCount: 0,
    recordCount: framesIn(files, 1).length,
    epoch: 1,
  })
})

test("a tail of more than the repair copies at a time is copied whole", async () => {
  const platform = simulatePlatform({ seed: 1 })
  const home = new FileLogHome(platform, DIRECTORY, 8 * MEBIBYTE)
  const log = await home.open()
  const texts = Array.from({ length: 24 }, (_, n) => `${n}`.padEnd(MEBIBYTE / 8, "."))
  for (const text of texts) await appendText(log, text)
  const next = new FileLogHome(simulatePlatform({ seed: 2, disk: platform.fileSystem.crash("kill") }), DIRECTORY)
  const repaired = await next.open()
  expect(next.report?.wasSealed).toBe(false)
  expect(await textsOf(repaired)).toEqual(texts)
})

test("a power cut while the tail is repaired loses nothing that was durable before", async () => {
  const { platform, commits } = await makeStore({ commitCount: 3 })
  // Everything is on the disk: each commit was acknowledged as synced.
  const disk = await copyOfDisk(platform.fileSystem.crash("nothing").files())
  await recoverDisk(disk, 1, false)
  for (const state of crashStates(disk.trace())) {
    const { content } = await recoverDisk(state.mount(), 2, false)
    expect(differences(content, contentAt(commits)), state.describe()).toEqual([])
  }
})
