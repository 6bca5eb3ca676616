// Making the directory smaller, and the next open faster: checkpoint and compact. Both fold the log into a checkpoint and
// let go of what is not kept; they differ in how many checkpoints they keep. A dry run goes through the same steps on files
// that it changes in memory alone.

import type { CheckpointPlan } from "../actors/checkpoint-plan.ts"
import type { CheckpointReport } from "../actors/checkpoint-report.ts"
import { checkpointFile, meaningOf } from "../format/file-names.ts"
import type { FileSystem } from "../platform/file-system.ts"
import { nodePlatform } from "../platform/node/node-platform.ts"
import { storageFailed } from "../platform/system-error.ts"
import type { Store } from "../store/store.ts"
import { command, countFlag, directoryArgument, switchFlag } from "./action.ts"
import type { AnyCommand } from "./action.ts"
import { countOf, durationText, sizeText, Progress } from "./progress.ts"
import type { Output } from "./output.ts"
import { withStore } from "./store-session.ts"
import { TrialFileSystem } from "./trial-file-system.ts"

const NOTHING_TO_DO = "nothing was written since the last checkpoint"
const KEPT_BY_CHECKPOINT = 3
const KEPT_BY_COMPACT = 1

const dryRunFlag = switchFlag("dry-run", "Only say what it would do, to the byte, and change nothing")

const checkpoint = command(
  "checkpoint",
  "Folds the log into a checkpoint, so that the next open has less to replay",
  { dir: directoryArgument, keep: keepFlag(KEPT_BY_CHECKPOINT), dryRun: dryRunFlag },
  ({ dir, keep = KEPT_BY_CHECKPOINT, dryRun }, output) => (dryRun ? plan : fold)(dir, keep, output),
)

const compact = command(
  "compact",
  "Makes a checkpoint and gives back the space of the log and of the checkpoints before it",
  { dir: directoryArgument, keep: keepFlag(KEPT_BY_COMPACT), dryRun: dryRunFlag },
  ({ dir, keep = KEPT_BY_COMPACT, dryRun }, output) => (dryRun ? plan : fold)(dir, keep, output),
)

export const checkpointCommands: readonly AnyCommand[] = [checkpoint, compact]

function keepFlag(byDefault: number): ReturnType<typeof countFlag> {
  return countFlag(
    "keep",
    "n",
    `Checkpoints to keep, with the log behind the oldest of them; ${byDefault} if left out`,
    1,
  )
}

async function fold(directory: string, keepCount: number, output: Output): Promise<undefined> {
  const beforeBytes = await dataBytes(nodePlatform.fileSystem, directory)
  const progress = new Progress("checkpoint", nodePlatform.clock)
  const onProgress = ({ doneBytes, totalBytes }: { readonly doneBytes: number; readonly totalBytes: number }): void =>
    progress.update(doneBytes, totalBytes)
  const run = (store: Store): ReturnType<Store["checkpoint"]> =>
    store.checkpoint({ onProgress }).finally(() => progress.end())
  const made = await withStore(directory, run, { keep: { checkpoints: keepCount } })
  const afterBytes = await dataBytes(nodePlatform.fileSystem, directory)
  if (output.isJson) await output.document({ checkpoint: made ?? null, beforeBytes, afterBytes })
  else if (made === undefined) await output.line(NOTHING_TO_DO)
  else await tell(made, `, ${durationText(made.durationMs)}`, beforeBytes, afterBytes, output)
  return undefined
}

/** The numbers that `fold` would have: what it would open, and find when it has opened it, is opened and found here. */
async function plan(directory: string, keepCount: number, output: Output): Promise<undefined> {
  const fileSystem = new TrialFileSystem(nodePlatform.fileSystem)
  const beforeBytes = await dataBytes(nodePlatform.fileSystem, directory)
  const platform = { ...nodePlatform, fileSystem }
  const planned = await withStore(directory, (store) => store.planCheckpoint(), {
    keep: { checkpoints: keepCount },
    platform,
  })
  const gained = planned === undefined ? 0 : (await isNew(directory, planned)) ? planned.sizeBytes : 0
  const afterBytes = (await dataBytes(fileSystem, directory)) + gained - (planned?.returnedBytes ?? 0)
  if (output.isJson) await output.document({ dryRun: true, checkpoint: planned ?? null, beforeBytes, afterBytes })
  else if (planned === undefined) await output.line(NOTHING_TO_DO)
  else {
    await tell(planned, "", beforeBytes, afterBytes, output)
    await output.line(`nothing was changed; ${countOf(planned.files.length, "file")} would go`)
  }
  return undefined
}

async function tell(
  { number, lsn, records, sizeBytes, oldestLsn }: Omit<CheckpointReport, "durationMs">,
  remark: string,
  beforeBytes: number,
  afterBytes: number,
  output: Output,
): Promise<void> {
  await output.line(
    `checkpoint ${number} through LSN ${lsn}: ${countOf(records, "record")}, ${sizeText(sizeBytes)}${remark}`,
  )
  await output.line(`the log begins at LSN ${oldestLsn}`)
  await output.line(`the store's files took ${sizeText(beforeBytes)}, and take ${sizeText(afterBytes)}`)
}

/** Whether the checkpoint would be made, or is there and only what is before it goes. */
async function isNew(directory: string, { number }: CheckpointPlan): Promise<boolean> {
  const { fileSystem } = nodePlatform
  return (await fileSystem.stat(fileSystem.join(directory, checkpointFile(number)))) === undefined
}

/** Bytes of the files that hold data; 0 where there is no directory, which opening it will say better. */
async function dataBytes(fileSystem: FileSystem, path: string): Promise<number> {
  try {
    if ((await fileSystem.stat(path))?.kind !== "directory") return 0
    let bytes = 0
    for (const name of await fileSystem.list(path)) {
      const kind = meaningOf(name)?.kind
      if (kind === undefined || kind === "lock" || kind === "audit") continue
      bytes += (await fileSystem.stat(fileSystem.join(path, name)))?.size ?? 0
    }
    return bytes
  } catch (error) {
    throw storageFailed("list", path, error)
  }
}
