// Run by the tests of the lock, as a process or as a worker thread: tries to lock the directory and reports what came of
// it. Started as a process with an IPC channel it goes on until it is killed, holding the lock.
//
//   lock-attempt.ts <directory> [exhaust]    with "exhaust": uses up all file descriptors first

import { openSync } from "node:fs"
import { parentPort, workerData } from "node:worker_threads"
import { lockDirectory } from "../../src/platform/node/node-lock.ts"

const [directory = String(workerData), mode] = parentPort === null ? process.argv.slice(2) : []
// Loads what the lock needs, as an earlier lock of the same process would have.
if (mode === "exhaust") {
  process.getBuiltinModule("node:sqlite")
  exhaustDescriptors()
}

const outcome = await lockDirectory(directory, "LOCK").then(
  (lock) => ("heldBy" in lock ? `refused: ${lock.heldBy}` : "locked"),
  (error: NodeJS.ErrnoException) => `failed: ${error.code}`,
)
if (parentPort !== null) parentPort.postMessage(outcome)
else if (process.send !== undefined) {
  process.send(outcome)
  // The channel keeps the process alive while somebody listens.
  process.on("message", () => undefined)
} else console.log(outcome)

function exhaustDescriptors(): void {
  try {
    for (;;) openSync("/dev/null", "r")
  } catch (error) {
    if (!(error instanceof Error) || !error.message.startsWith("EMFILE")) throw error
  }
}
