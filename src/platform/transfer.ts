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
