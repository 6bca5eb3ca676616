// What a checkpoint would do, found out by doing it without writing: the fold runs over the same files into nothing, and
// what the rules would let go is counted where it is. On a store that nobody writes to meanwhile the checkpoint then does
// exactly this. Must not change anything.

import { listCheckpoints } from "../checkpoint/checkpoint-files.ts"
import type { CheckpointDirectory, CheckpointInfo } from "../checkpoint/checkpoint-files.ts"
import { DELTA_SIZE_MAX, foldCheckpoint } from "../checkpoint/fold-checkpoint.ts"
import { checkpointFile, meaningOf, segmentFile } from "../format/file-names.ts"
import type { LogFrame } from "../format/log-frame.ts"
import { Corruption } from "../model/errors.ts"
import { SPARE_SEGMENT_COUNT_MAX } from "../model/limits.ts"
import { storageFailed } from "../platform/system-error.ts"
import type { FileLog } from "../wal/file-log.ts"
import { readLog } from "../wal/log-reader.ts"
import type { CheckpointReport } from "./checkpoint-report.ts"
import { isCrowded } from "./checkpoint-rules.ts"
import type { CheckpointRules } from "./checkpoint-rules.ts"

/** What a checkpoint would do: the numbers of its report, and the files that would go. */
export interface CheckpointPlan extends Omit<CheckpointReport, "durationMs"> {
  /** Segments and checkpoints that are no part of the store any more. A segment may be kept as a spare. */
  readonly files: readonly string[]
}

export interface PlanInput {
  readonly directory: CheckpointDirectory
  readonly log: FileLog
  readonly segmentBytes: number
  /** Checkpoints that are there, oldest first. */
  readonly kept: readonly CheckpointInfo[]
  /** The number that the next one takes. */
  readonly number: number
  readonly nowMs: number
  readonly rules: Pick<CheckpointRules, "keepCount" | "historyMs" | "historyBytes">
  readonly pace: () => Promise<void> | void
  /** Whether a Merkle root is written with it. */
  readonly isRooted?: boolean
  /** Bytes of the log that one checkpoint takes, for tests. */
  readonly deltaSizeMax?: number
}

/** Undefined where there is nothing to do. Fails with: Corruption, StorageFailed, what `pace` throws. */
export async function planCheckpoint(input: PlanInput): Promise<CheckpointPlan | undefined> {
  const { log, rules, nowMs } = input
  const made = await measure(input)
  const kept = made?.kept ?? input.kept
  const newest = kept.at(-1)
  const oldest = kept[oldestNeeded(kept, rules, nowMs, (lsn) => log.bytesAfter(lsn))]
  const { files, returnedBytes, oldestLsn } = await countLetGo(input, kept, oldest)
  if (newest === undefined || (made === undefined && returnedBytes === 0)) return undefined
  const { number, throughLsn: lsn, records, sizeBytes } = newest
  return { number, lsn, records, sizeBytes, returnedBytes, oldestLsn: oldestLsn ?? log.oldestLsn, files }
}

/** The place in the list of the oldest checkpoint that a rule keeps; -1 where there are too few to let any go. */
export function oldestNeeded(
  kept: readonly CheckpointInfo[],
  rules: PlanInput["rules"],
  nowMs: number,
  bytesAfter: (lsn: number) => number,
): number {
  const { keepCount, historyMs, historyBytes } = rules
  const since = nowMs - historyMs
  const isTooYoung = ({ createdMs, throughLsn }: CheckpointInfo): boolean =>
    (historyMs > 0 && createdMs > since) || (historyBytes > 0 && bytesAfter(throughLsn) < historyBytes)
  let first = kept.length - keepCount
  // A state is read from the checkpoint before it.
  while (first > 0 && isTooYoung(kept[first] as CheckpointInfo)) first--
  return first
}

/** The checkpoints that would be there afterwards, before any goes; undefined where none would be made. */
async function measure(input: PlanInput): Promise<{ readonly kept: readonly CheckpointInfo[] } | undefined> {
  const { log } = input
  const through = log.durableLsn
  let { kept, number } = input
  // Of those that are only planned nothing can be read: each is measured from the last one that is there.
  let base = kept.at(-1)
  let count = 0
  while ((kept.at(-1)?.throughLsn ?? 0) < through) {
    const after = kept.at(-1)?.throughLsn ?? 0
    const isForced = isCrowded(log.segmentsAfter(after), log.bytesAfter(after), input.segmentBytes)
    const end = (await endOfPass(input, after, through)) ?? (isForced ? through : undefined)
    if (end === undefined) break
    try {
      const info = await measureOnce(input, number, base, end)
      kept = [...kept, info]
      count++
    } catch (error) {
      // As the checkpointer does where its base has rotted.
      if (!(error instanceof Corruption) || base === undefined || error.file !== checkpointFile(base.number))
        throw error
      if (count > 0 || (kept.at(-2)?.throughLsn ?? 0) + 1 < log.oldestLsn) throw error
      kept = kept.slice(0, -1)
      base = kept.at(-1)
    }
    number++
  }
  return count === 0 ? undefined : { kept }
}

async function measureOnce(
  input: PlanInput,
  number: number,
  base: CheckpointInfo | undefined,
  end: number,
): Promise<CheckpointInfo> {
  const { directory, log, nowMs, pace } = input
  const info = await foldCheckpoint({
    directory,
    number,
    base: base?.number,
    readLog: (after) => frames(input, after, end),
    sealed: log.extentsThrough(log.durableLsn).slice(0, -1),
    createdMs: nowMs,
    throughLsn: end,
    // Any root takes the same room.
    root: input.isRooted === true && end === log.durableLsn ? { lsn: end, root: "", records: 0 } : undefined,
    isMeasured: true,
    deltaSizeMax: Number.POSITIVE_INFINITY,
    pace,
  })
  if (info === undefined) throw new Corruption(checkpointFile(number), 0, end, "nothing was measured")
  return info
}

/** The last commit that one checkpoint takes; undefined where there is none to take. */
async function endOfPass(input: PlanInput, after: number, through: number): Promise<number | undefined> {
  let end: number | undefined
  let bytes = 0
  for await (const frame of frames(input, after, through)) {
    end = frame.lastLsn
    bytes += frame.end - frame.start
    if (bytes >= (input.deltaSizeMax ?? DELTA_SIZE_MAX)) break
    await input.pace()
  }
  return end
}

function frames({ directory, log }: PlanInput, after: number, to: number): AsyncGenerator<LogFrame, undefined> {
  return readLog(directory, log.extentsThrough(to), { lsn: log.oldestLsn }, new Map(), after, to)
}

interface LetGo {
  readonly files: readonly string[]
  readonly returnedBytes: number
  /** Undefined: the log stays as it is. */
  readonly oldestLsn: number | undefined
}

async function countLetGo(
  { directory, log, segmentBytes }: PlanInput,
  kept: readonly CheckpointInfo[],
  oldest: CheckpointInfo | undefined,
): Promise<LetGo> {
  const files: string[] = []
  if (oldest === undefined) return { files, returnedBytes: 0, oldestLsn: undefined }
  const sizes = await sizesIn(directory)
  let returnedBytes = 0
  let oldestLsn: number | undefined
  let spareCount = [...sizes].filter(
    ([name, size]) => meaningOf(name)?.kind === "spare" && size === segmentBytes,
  ).length
  for (const { segment, lastLsn } of log.extentsThrough(Number.POSITIVE_INFINITY).slice(0, -1)) {
    if (lastLsn > oldest.throughLsn) break
    const name = segmentFile(segment)
    const size = sizes.get(name) ?? 0
    oldestLsn = lastLsn + 1
    files.push(name)
    if (size === segmentBytes && spareCount < SPARE_SEGMENT_COUNT_MAX) spareCount++
    else returnedBytes += size
  }
  const planned = kept.filter(({ number }) => !sizes.has(checkpointFile(number)))
  for (const number of await listCheckpoints(directory)) {
    if (number >= oldest.number) continue
    files.push(checkpointFile(number))
    returnedBytes += sizes.get(checkpointFile(number)) ?? 0
  }
  // One of several that are made now may go at once.
  for (const { number, sizeBytes } of planned) if (number < oldest.number) returnedBytes += sizeBytes
  return { files, returnedBytes, oldestLsn }
}

async function sizesIn({ fileSystem, path }: CheckpointDirectory): Promise<Map<string, number>> {
  const sizes = new Map<string, number>()
  try {
    for (const name of await fileSystem.list(path)) {
      sizes.set(name, (await fileSystem.stat(fileSystem.join(path, name)))?.size ?? 0)
    }
  } catch (error) {
    throw storageFailed("list", path, error)
  }
  return sizes
}
