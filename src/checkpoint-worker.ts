// The door of the worker thread that makes checkpoints. Not for import: `open` starts it.

import { nodePlatform } from "./platform/node/node-platform.ts"
import { serveWorker } from "./platform/node/node-worker.ts"
import { foldOutcome } from "./recovery/fold-job.ts"
import type { FoldJob } from "./recovery/fold-job.ts"

const { fileSystem, checksum } = nodePlatform

await serveWorker((job: FoldJob, alive) => {
  let writtenBytes = 0
  return foldOutcome(job, fileSystem, checksum, (bytes = writtenBytes) => {
    writtenBytes = bytes
    return alive(bytes)
  })
})
