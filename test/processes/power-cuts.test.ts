// Fault 3 on real file systems: the power is cut under a writer on ext4 and on XFS, again and again on the same store,
// also while it opens what the last cut has left, and nothing that was acknowledged as synced is missing. Only where it is
// asked for, and power can be cut: it mounts file systems.

import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdir, mkdtemp, rm } from "node:fs/promises"
import { join } from "node:path"
import { expect, onTestFinished, test } from "vitest"
import { SimulatedRandom } from "../../src/simulation/simulated-random.ts"
import { ProtocolReader } from "../../src/testing/process-protocol.ts"
import { measureFigures } from "../figures.ts"
import { programPath } from "../programs.ts"
import { expectPrefix } from "./numbered-records.ts"
import { PowerBox, powerCutsUnavailable, powerFolderPrefix, removeLeftBoxes } from "./power-box.ts"
import type { FileSystemName } from "./power-box.ts"

const CUTS = Number(process.env["ORRERY_POWER_CUTS"] ?? 0)
const SEED = Number(process.env["ORRERY_SEED"] ?? 4)
const why =
  CUTS === 0 ? "power cuts mount file systems: ORRERY_POWER_CUTS=<how many> asks for them" : powerCutsUnavailable()
if (why !== undefined) console.log(`skipped: ${why}`)

/** Then another store is begun. */
const CUTS_A_STORE = 12
/** One cut in so many comes while the store is opened. */
const EARLY_ONE_IN = 3
const WRITING_MS_MAX = 40
/** Of opening what is there. */
const OPENING_MS_MAX = 30

const program = programPath("test/processes/kill-9-writer.ts")

interface Counts {
  cuts: number
  ext4: number
  xfs: number
  "while opening": number
  "torn tails cut": number
  acknowledged: number
}

/** Lets a writer run up to a moment of chance, and cuts the power. Returns what it had said by then. */
async function writeAndCut(
  box: PowerBox,
  directory: string,
  start: number,
  random: SimulatedRandom,
): Promise<ProtocolReader> {
  const isEarly = random.chance(EARLY_ONE_IN)
  const delayMs = (isEarly ? OPENING_MS_MAX : WRITING_MS_MAX) * (random.below(1_000) / 1_000)
  // Every second one makes checkpoints all the time.
  const checkpointBytes = random.chance(2) ? "60000" : "0"
  const command = [program, directory, String(start), "synced", "60000", checkpointBytes]
  const child = spawn(process.execPath, command, { stdio: ["ignore", "pipe", "pipe"], cwd: "/" })
  const closed = once(child, "close") as Promise<[number | null, string | null]>
  const moment = Promise.withResolvers<void>()
  const reader = new ProtocolReader()
  let complaint = ""
  let isComing = false
  child.stdout.on("data", (bytes: Buffer) => {
    reader.take(bytes)
    if (isComing || !(isEarly ? reader.isOpening : reader.acknowledged.length > 0)) return
    isComing = true
    setTimeout(moment.resolve, delayMs)
  })
  child.stderr.on("data", (bytes: Buffer) => (complaint += bytes.toString()))
  const ended = closed.then(([exitCode]) => {
    if (exitCode !== null) throw new Error(`the writer ended by itself with ${exitCode}: ${complaint}`)
  })
  await Promise.race([moment.promise, ended])
  // Stopped first: it acknowledges nothing once the power is gone.
  child.kill("SIGSTOP")
  await box.cut()
  child.kill("SIGKILL")
  await ended
  await box.restore()
  return reader
}

async function cutAgainAndAgain(fileSystem: FileSystemName, cuts: number, counts: Counts): Promise<void> {
  const folder = await mkdtemp(powerFolderPrefix())
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const random = new SimulatedRandom(SEED)
  const box = await PowerBox.make(folder, fileSystem)
  try {
    let directory = ""
    let start = 0
    let acknowledged: unknown[] = []
    for (let cut = 0; cut < cuts; cut++) {
      if (cut % CUTS_A_STORE === 0) {
        if (cut > 0) await rm(directory, { recursive: true })
        directory = join(box.directory, `store-${cut}`)
        await mkdir(directory)
        // The directory is older than the cut.
        await box.sync()
        start = 0
        acknowledged = []
      }
      const reader = await writeAndCut(box, directory, start, random)
      acknowledged.push(...reader.acknowledged)
      const found = await expectPrefix(directory, acknowledged, start).catch((reason: unknown) => {
        throw new Error(`ORRERY_SEED=${SEED}: cut ${cut} on ${fileSystem}: ${String(reason)}`, { cause: reason })
      })
      start = found.end
      counts.cuts++
      counts[fileSystem]++
      counts.acknowledged += reader.acknowledged.length
      if (!reader.isOpened) counts["while opening"]++
      if (found.cutBytes > 0) counts["torn tails cut"]++
    }
  } finally {
    await box.close()
  }
}

test.skipIf(why !== undefined)(
  `fault 3: ${CUTS} power cuts on ext4 and XFS lose no acknowledged write`,
  async () => {
    const tell = measureFigures("power cuts", SEED)
    const counts: Counts = { cuts: 0, ext4: 0, xfs: 0, "while opening": 0, "torn tails cut": 0, acknowledged: 0 }
    await removeLeftBoxes()
    await Promise.all([
      cutAgainAndAgain("ext4", Math.ceil(CUTS / 2), counts),
      cutAgainAndAgain("xfs", Math.floor(CUTS / 2), counts),
    ])
    expect(counts.cuts).toBe(CUTS)
    expect(counts.acknowledged).toBeGreaterThan(CUTS * 5)
    tell({ ...counts, lost: 0 })
  },
  3_600_000,
)
