// Making the directory smaller, and the next open faster: checkpoint and compact. Both fold the log into a checkpoint and
// let go of what is not kept; they differ in how many checkpoints they keep.

import { nodePlatform } from "../platform/node/node-platform.ts"
import { typedError } from "../platform/system-error.ts"
import { command, countFlag, directoryArgument } from "./action.ts"
import type { AnyCommand } from "./action.ts"
import { countOf, durationText, sizeText } from "./progress.ts"
import type { Output } from "./output.ts"
import { withStore } from "./store-session.ts"

const KEPT_BY_CHECKPOINT = 3
const KEPT_BY_COMPACT = 1

const checkpoint = command(
  "checkpoint",
  "Folds the log into a checkpoint, so that the next open has less to replay",
  { dir: directoryArgument, keep: keepFlag(KEPT_BY_CHECKPOINT) },
  ({ dir, keep }, output) => fold(dir, keep ?? KEPT_BY_CHECKPOINT, output),
)

const compact = command(
  "compact",
  "Makes a checkpoint and gives back the space of the log and of the checkpoints before it",
  { dir: directoryArgument, keep: keepFlag(KEPT_BY_COMPACT) },
  ({ dir, keep }, output) => fold(dir, keep ?? KEPT_BY_COMPACT, output),
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
  const beforeBytes = await directoryBytes(directory)
  const made = await withStore(directory, (store) => store.checkpoint(), { keep: { checkpoints: keepCount } })
  const afterBytes = await directoryBytes(directory)
  if (output.isJson) await output.document({ checkpoint: made ?? null, beforeBytes, afterBytes })
  else if (made === undefined) await output.line("nothing was written since the last checkpoint")
  else {
    const { number, lsn, records, sizeBytes, durationMs, oldestLsn } = made
    await output.line(
      `checkpoint ${number} through LSN ${lsn}: ${countOf(records, "record")}, ${sizeText(sizeBytes)}, ${durationText(durationMs)}`,
    )
    await output.line(`the log begins at LSN ${oldestLsn}`)
    await output.line(`the directory took ${sizeText(beforeBytes)}, and takes ${sizeText(afterBytes)}`)
  }
  return undefined
}

/** Bytes of the files in a directory; 0 where there is none, which opening it will say better. */
async function directoryBytes(path: string): Promise<number> {
  const { fileSystem } = nodePlatform
  try {
    if ((await fileSystem.stat(path))?.kind !== "directory") return 0
    let bytes = 0
    for (const name of await fileSystem.list(path)) {
      const stat = await fileSystem.stat(fileSystem.join(path, name))
      if (stat?.kind === "file") bytes += stat.size
    }
    return bytes
  } catch (error) {
    throw typedError("list", path, error)
  }
}
