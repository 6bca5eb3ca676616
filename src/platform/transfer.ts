// Reads and writes that loop over short transfers, so that nobody above has to know of them.

import { probe } from "../model/invariant.ts"
import type { FileHandle } from "./file-system.ts"

/** Fills `target` from `position` on. Returns how many bytes there were: fewer than asked only at the end of the file. */
export async function readFully(file: FileHandle, target: Uint8Array, position: number): Promise<number> {
  let done = 0
  while (done < target.length) {
    const count = await file.read(done === 0 ? target : target.subarray(done), position + done)
    if (count === 0) break
    done += count
    if (done < target.length) probe("short read")
  }
  return done
}

/** Writes all of `source` at `position`, into the page cache or through to stable storage. */
export async function writeFully(
  file: FileHandle,
  source: Uint8Array,
  position: number,
  synced: boolean,
): Promise<void> {
  let done = 0
  while (done < source.length) {
    const rest = done === 0 ? source : source.subarray(done)
    done += synced ? await file.writeSynced(rest, position + done) : await file.write(rest, position + done)
    if (done < source.length) probe("short write")
  }
}

/** Bytes that are copied at a time. */
const COPY_SIZE = 1024 * 1024

/**
 * Copies a file of `size` bytes under a new name, and syncs its data. `onBytes` is told how far it has come; what it
 * throws ends it. Returns the bytes copied.
 */
export async function copyFully(
  source: FileHandle,
  target: FileHandle,
  size: number,
  onBytes: (doneBytes: number) => void,
): Promise<number> {
  const buffer = new Uint8Array(Math.min(COPY_SIZE, size))
  let done = 0
  while (done < size) {
    const count = await readFully(source, buffer.subarray(0, Math.min(buffer.length, size - done)), done)
    if (count === 0) break
    await writeFully(target, buffer.subarray(0, count), done, false)
    done += count
    onBytes(done)
  }
  await target.dataSync()
  return done
}
