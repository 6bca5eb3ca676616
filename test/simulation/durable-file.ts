// A scene that many tests of the simulated disk begin with.

import type { FileHandle } from "../../src/platform/file-system.ts"
import { SimulatedDisk, type SimulatedDiskOptions } from "../../src/simulation/simulated-disk.ts"

/** A disk with the open file "/a" of 4096 ones, durable under its name. The next operation is number 5. */
export async function diskWithFile(
  options: SimulatedDiskOptions = {},
): Promise<{ readonly disk: SimulatedDisk; readonly file: FileHandle }> {
  const disk = new SimulatedDisk(options)
  const file = await disk.open("/a", "create")
  await file.write(new Uint8Array(4096).fill(1), 0)
  await file.dataSync()
  await disk.syncDirectory("/")
  return { disk, file }
}
