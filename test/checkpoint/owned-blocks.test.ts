// Reading ahead into memory that is given away: what was asked for is there whole, or is told not to be; and a read that
// nobody asks for any more may fail.

import { expect, test } from "vitest"
import { OwnedBlocks } from "../../src/checkpoint/owned-blocks.ts"
import type { FileHandle } from "../../src/platform/file-system.ts"
import { delayed } from "../../src/simulation/completion-order.ts"
import { SimulatedClock } from "../../src/simulation/simulated-clock.ts"
import { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import { SimulatedRandom } from "../../src/simulation/simulated-random.ts"

const PIECE_SIZE = 4096

async function fileOf(size: number): Promise<{ disk: SimulatedDisk; handle: FileHandle; bytes: Uint8Array }> {
  const disk = new SimulatedDisk({ keepsTrace: false })
  const handle = await disk.open("/file", "create")
  const bytes = Uint8Array.from({ length: size }, (_, at) => at % 251)
  await handle.write(bytes, 0)
  return { disk, handle, bytes }
}

test.each([1, 2, 3])(
  "read by %i handles, pieces of memory come one after the other, and stay as they were",
  async (count) => {
    const { disk, bytes } = await fileOf(5 * PIECE_SIZE)
    const handles = await Promise.all(Array.from({ length: count }, () => disk.open("/file", "read")))
    const blocks = new OwnedBlocks(handles, bytes.length, PIECE_SIZE)
    const given: Buffer[] = []
    for (let offset = 0; offset < bytes.length; offset += 1024) {
      expect(await blocks.load(offset, 1024)).toBe(true)
      given.push(blocks.bytes.subarray(offset - blocks.offset, offset - blocks.offset + 1024))
    }
    expect(Buffer.concat(given).equals(bytes)).toBe(true)
    expect(new Set(given.map(({ buffer }) => buffer)).size).toBe(5)
    expect(await blocks.load(bytes.length - 8, 16)).toBe(false)
    await blocks.settle()
  },
)

test("two handles read ahead at the same time, each one read at a time, in the order of the file", async () => {
  const size = 9 * 1024 * 1024 + 72
  const clock = new SimulatedClock()
  const { disk, bytes } = await fileOf(size)
  const slow = disk.crash("everything", { completion: delayed(clock, new SimulatedRandom(1), 3) })
  let inFlight = 0
  const done = async <T>(work: Promise<T>): Promise<T> => {
    let isDone = false
    void work.finally(() => (isDone = true))
    while (!isDone) {
      await new Promise<void>((resolve) => setImmediate(resolve))
      inFlight = Math.max(inFlight, slow.inFlightCount)
      clock.advance(1)
    }
    return work
  }
  const handles = [await done(slow.open("/file", "read")), await done(slow.open("/file", "read"))]
  const blocks = new OwnedBlocks(handles, size, size)
  for (let offset = 0; offset < size; offset += 720_000) expect(await done(blocks.load(offset, 72))).toBe(true)
  expect(await done(blocks.load(size - 72, 72))).toBe(true)
  expect(inFlight).toBe(2)
  expect(blocks.bytes.equals(bytes)).toBe(true)
  expect(slow.violations).toEqual([])
})

test("a file that is shorter than it was does not have what is asked for", async () => {
  const { handle, bytes } = await fileOf(3 * PIECE_SIZE)
  const blocks = new OwnedBlocks([handle], bytes.length, PIECE_SIZE)
  await handle.truncate(100)
  expect(await blocks.load(0, 64)).toBe(true)
  expect(await blocks.load(64, 64)).toBe(false)
  await blocks.settle()
})

test("a read ahead that fails is met by who asks for its bytes, and by nobody where they are not asked for", async () => {
  const size = 3 * 1024 * 1024
  for (const isAsked of [true, false]) {
    const { disk, handle } = await fileOf(size)
    const blocks = new OwnedBlocks([handle], size, size)
    disk.faults.add({ operation: 1, through: Infinity, only: ["read"], error: "EIO" })
    await expect(blocks.load(0, 64)).rejects.toMatchObject({ code: "EIO" })
    disk.faults.clear()
    // One megabyte is read at a time, and the next one behind it at once.
    const fresh = new OwnedBlocks([handle], size, size)
    const loading = fresh.load(0, 64)
    const first = disk.operationCount + 1
    disk.faults.add({ operation: first + 1, through: Infinity, only: ["read"], error: "EIO" })
    expect(await loading).toBe(true)
    if (isAsked) await expect(fresh.load(size - 64, 64)).rejects.toMatchObject({ code: "EIO" })
    await fresh.settle()
    await handle.close()
    expect(disk.faults.hitCount).toBeGreaterThan(1)
  }
})
