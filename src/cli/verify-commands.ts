// Proving a store, and saving what is left of one that is damaged. Both read without the lock and change nothing in the
// directory that they read; salvage writes into another one.

import { nodePlatform } from "../platform/node/node-platform.ts"
import { salvageStore } from "../recovery/salvage.ts"
import type { SalvageReport } from "../recovery/salvage.ts"
import { verifyStore } from "../recovery/verify.ts"
import type { Verdict, VerifyReport } from "../recovery/verify.ts"
import { command, directoryArgument, textArgument } from "./action.ts"
import type { AnyCommand } from "./action.ts"
import { EXIT_DAMAGED, EXIT_GOOD, EXIT_TORN } from "./failure.ts"
import { countOf, durationText, Progress, sizeText } from "./progress.ts"

const EXIT_CODES: Readonly<Record<Verdict, number>> = {
  good: EXIT_GOOD,
  "torn tail": EXIT_TORN,
  damaged: EXIT_DAMAGED,
}

const verify = command(
  "verify",
  "Proves every byte of a store, or says what is wrong with it; without the lock",
  { dir: directoryArgument },
  async ({ dir }, output) => {
    const progress = new Progress("verify", nodePlatform.clock)
    const report = await verifyStore(nodePlatform, dir, {
      onProgress: ({ doneBytes, totalBytes }) => progress.update(doneBytes, totalBytes),
    }).finally(() => progress.end())
    if (output.isJson) await output.document(report)
    else for (const line of verifyLines(report)) await output.line(line)
    return EXIT_CODES[report.verdict]
  },
)

const salvage = command(
  "salvage",
  "Makes a new store of what is provably good in a damaged one, and lists what is lost",
  {
    source: textArgument("dir", "The damaged store"),
    target: textArgument("target", "A directory that is empty or not there"),
  },
  async ({ source, target }, output) => {
    const progress = new Progress("salvage", nodePlatform.clock)
    const report = await salvageStore(nodePlatform, source, target, {
      onProgress: ({ doneBytes, totalBytes }) => progress.update(doneBytes, totalBytes),
    }).finally(() => progress.end())
    if (output.isJson) await output.document({ ...report, checkpoint: report.checkpoint ?? null })
    else for (const line of salvageLines(report)) await output.line(line)
    return report.lostRangeCount === 0 ? EXIT_GOOD : EXIT_DAMAGED
  },
)

export const verifyCommands: readonly AnyCommand[] = [verify, salvage]

function verifyLines(report: VerifyReport): readonly string[] {
  const { verdict, findings, segments, frames, checkpoints, bytes, lastLsn, merkle, durationMs } = report
  const read = `${countOf(segments, "segment")}, ${countOf(frames, "frame")}, ${countOf(checkpoints, "good checkpoint")}`
  return [
    ...findings.map(
      ({ file, offset, lsn, what, isDamage }) =>
        `${isDamage ? "DAMAGED" : "note"}  ${file}, byte ${offset}, after LSN ${lsn}: ${what}`,
    ),
    `Merkle root: ${merkle.result}${merkle.lsn === 0 ? "" : ` behind LSN ${merkle.lsn}`}: ${merkle.reason}`,
    `${verdict}: ${read}, through LSN ${lastLsn}; ${sizeText(bytes)} in ${durationText(durationMs)}`,
  ]
}

function salvageLines(report: SalvageReport): readonly string[] {
  const { records, tables, lostRanges, lostRangeCount, checkpoint, checkpointLsn, lastLsn, bytes, durationMs } = report
  const start =
    checkpoint === undefined ? "the log alone" : `checkpoint ${checkpoint} through LSN ${checkpointLsn} and the log`
  const lost = lostRangeCount === 0 ? "nothing is lost" : countOf(lostRangeCount, "gap")
  return [
    ...lostRanges.map(
      ({ firstLsn, lastLsn: to, file, offset, reason }) =>
        `LOST  LSN ${firstLsn}${to === firstLsn ? "" : ` to ${to}`}: ${file}, byte ${offset}: ${reason}`,
    ),
    `${countOf(records, "record")} in ${countOf(tables, "table")}, ${sizeText(bytes)}, from ${start}, through LSN ${lastLsn}`,
    `${lost}; ${durationText(durationMs)}`,
  ]
}
