// Bare writes to a preallocated file: what the disk takes for some bytes, which a store adds to.

import { constants, fdatasync, write } from "node:fs"
import { open } from "node:fs/promises"
import type { FileHandle } from "node:fs/promises"

export const RAW_SIZE: number = 16 * 1024 * 1024

export function rawWrite(fd: number, bytes: Buffer, position: number, needsSync: boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (error: Error | null): void => (error === null ? resolve() : reject(error))
    write(fd, bytes, 0, bytes.length, position, (error) => {
      if (error === null && needsSync) fdatasync(fd, done)
      else done(error)
    })
  })
}

/** A file of RAW_SIZE that was written through once: a write to it changes neither its size nor its extents. */
export async function preallocate(path: string, flags: number): Promise<FileHandle> {
  const file = await open(path, constants.O_CREAT | constants.O_RDWR | flags)
  const zeros = Buffer.alloc(1024 * 1024)
  for (let position = 0; position < RAW_SIZE; position += zeros.length) {
    await file.write(zeros, 0, zeros.length, position)
  }
  await file.sync()
  return file
}
