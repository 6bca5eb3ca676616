// The thread of `copyAside`: reads, checks and writes a file by parts, as the merge of a checkpoint does, without end.

import { closeSync, fdatasyncSync, openSync, readSync, writeSync } from "node:fs"
import { parentPort, workerData } from "node:worker_threads"
import { crc32 } from "node:zlib"

const PART_SIZE = 256 * 1024
const WORK_MS = 2
const REST_MS = 6

const { source } = workerData as { readonly source: string }
const bytes = Buffer.alloc(PART_SIZE)
const asleep = new Int32Array(new SharedArrayBuffer(4))
let checksum = 0
let restedMs = performance.now()

for (let copyCount = 0; ; copyCount++) {
  const from = openSync(source, "r")
  const to = openSync(`${source}-${copyCount % 2}`, "w")
  for (let size = readSync(from, bytes); size > 0; size = readSync(from, bytes)) {
    checksum = crc32(size === PART_SIZE ? bytes : bytes.subarray(0, size), checksum)
    writeSync(to, bytes, 0, size)
    if (performance.now() - restedMs < WORK_MS) continue
    Atomics.wait(asleep, 0, 0, REST_MS)
    restedMs = performance.now()
  }
  fdatasyncSync(to)
  closeSync(to)
  closeSync(from)
  if (copyCount === 0) parentPort?.postMessage(checksum)
}
