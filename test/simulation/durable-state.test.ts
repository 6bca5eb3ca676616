// What is certain after a crash, byte for byte, against a model in plain arrays.

import { describe, expect, test } from "vitest"
import { crashStates } from "../../src/simulation/crash-states.ts"
import { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import { SimulatedRandom } from "../../src/simulation/simulated-random.ts"
import { bytesOf, present } from "../platform/file-system-contract.ts"
import { diskWithFile } from "./durable-file.ts"

/** One file: what programs see, what is durable, and what each byte may be after a crash. */
class PlainFile {
  cache: number[] = []
  durable: number[] = []
  /** Sizes that are not durable yet, oldest first. */
  #sizes: { readonly size: number; readonly cuts: boolean }[] = []
  readonly #possible: Set<number>[] = []

  write(position: number, length: number, byte: number, isSynced: boolean): void {
    const end = position + length
    const isGrown = end > this.cache.length
    resize(this.cache, Math.max(this.cache.length, end))
    this.cache.fill(byte, position, end)
    if (isGrown) this.#sizes.push({ size: end, cuts: false })
    for (let at = position; at < end; at++) {
      if (isSynced) this.#possible[at] = new Set([byte])
      else this.possibleAt(at).add(byte)
    }
    if (!isSynced) return
    // The file's size changes come along up to its own, or up to the last cut that would take the bytes away.
    const overtaken = isGrown
      ? this.#sizes.length
      : 1 + this.#sizes.findLastIndex(({ size, cuts }) => cuts && size < end)
    for (const { size } of this.#sizes.splice(0, overtaken)) resize(this.durable, size)
    resize(this.durable, Math.max(this.durable.length, end))
    this.durable.fill(byte, position, end)
    this.#sizes = this.#sizes.filter(({ size, cuts }) => cuts || size >= end)
  }

  truncate(size: number): void {
    if (size !== this.cache.length) this.#sizes.push({ size, cuts: size < this.cache.length })
    resize(this.cache, size)
  }

  dataSync(): void {
    this.durable = [...this.cache]
    this.#sizes = []
    this.#possible.length = 0
    for (const [at, byte] of this.cache.entries()) this.#possible[at] = new Set([byte])
  }

  possibleAt(at: number): Set<number> {
    return (this.#possible[at] ??= new Set([0]))
  }
}

function resize(bytes: number[], size: number): void {
  if (size < bytes.length) bytes.length = size
  while (bytes.length < size) bytes.push(0)
}

function hex(bytes: readonly number[]): string {
  return Buffer.from(bytes).toString("hex")
}

function hexOf(disk: SimulatedDisk): string {
  return Buffer.from(disk.files().get("/a") ?? []).toString("hex")
}

async function randomRun(
  seed: number,
  hasCuts: boolean,
  check: (disk: SimulatedDisk, plain: PlainFile) => void = () => undefined,
): Promise<{ readonly disk: SimulatedDisk; readonly plain: PlainFile }> {
  const random = new SimulatedRandom(seed)
  const disk = new SimulatedDisk({ seed })
  const plain = new PlainFile()
  const file = await disk.open("/a", "create")
  await disk.syncDirectory("/")
  for (let step = 0; step < 25; step++) {
    const choice = random.below(10)
    if (choice < 6) {
      const [position, length, byte] = [random.below(2500), 1 + random.below(900), 1 + random.below(150)]
      const source = new Uint8Array(length).fill(byte)
      await (choice < 3 ? file.write(source, position) : file.writeSynced(source, position))
      plain.write(position, length, byte, choice >= 3)
    } else if (choice < 8) {
      await file.dataSync()
      plain.dataSync()
    } else {
      const size = hasCuts ? random.below(3000) : plain.cache.length + random.below(500)
      await file.truncate(size)
      plain.truncate(size)
    }
    check(disk, plain)
  }
  return { disk, plain }
}

describe("the durable state", () => {
  test("is exactly what was synced, for random histories of a file", async () => {
    for (let seed = 0; seed < 40; seed++) {
      let step = 0
      await randomRun(seed, seed % 2 === 0, (disk, plain) => {
        const copy = disk.snapshot()
        const where = `seed ${seed}, step ${step}`
        expect(hexOf(copy), where).toBe(hex(plain.cache))
        expect(hexOf(copy.snapshot().crash("nothing")), `${where}, nothing kept`).toBe(hex(plain.durable))
        expect(hexOf(copy.crash("everything")), `${where}, everything kept`).toBe(hex(plain.cache))
        step++
      })
    }
  })

  test("with any part of the rest gives no byte that was neither synced nor written since", async () => {
    let stateCount = 0
    for (let seed = 100; seed < 130; seed++) {
      const { disk, plain } = await randomRun(seed, false)
      for (const state of crashStates(disk.trace(), { seed })) {
        if (state.afterOperation !== disk.operationCount || state.kind.startsWith("torn") || state.kind === "sample")
          continue
        stateCount++
        const bytes = present(state.mount().files().get("/a"))
        expect(bytes.length).toBeGreaterThanOrEqual(plain.durable.length)
        const wrong = bytes.findIndex((byte, at) => !plain.possibleAt(at).has(byte))
        if (wrong !== -1) expect.fail(`seed ${seed}: byte ${wrong} is ${bytes[wrong]}\n${state.describe()}`)
      }
    }
    expect(stateCount).toBeGreaterThan(300)
  })

  test("has the bytes of a synced write, whatever becomes of an older cut", async () => {
    const { disk, file } = await diskWithFile()
    await file.truncate(100)
    await file.truncate(3000)
    await file.writeSynced(bytesOf(7), 2000)
    for (const state of crashStates(disk.trace())) {
      if (state.afterOperation === disk.operationCount) expect(state.mount().files().get("/a")?.[2000]).toBe(7)
    }
  })

  test("has the bytes of a synced write, whatever becomes of older growth to less", async () => {
    const { disk, file } = await diskWithFile()
    await file.truncate(5000)
    await file.truncate(9000)
    await file.writeSynced(bytesOf(7), 6000)
    const sizes = new Set<number | undefined>()
    for (const state of crashStates(disk.trace())) {
      if (state.afterOperation !== disk.operationCount) continue
      expect(state.mount().files().get("/a")?.[6000]).toBe(7)
      sizes.add(state.mount().files().get("/a")?.length)
    }
    expect(sizes).toEqual(new Set([6001, 7500, 9000]))
  })

  test("has no bytes behind the size, where only those were kept", async () => {
    const { disk, file } = await diskWithFile()
    await file.write(bytesOf(9, 9), 4096)
    for (const state of crashStates(disk.trace())) {
      const mounted = state.mount()
      if (mounted.files().get("/a")?.length !== 4096) continue
      await (await mounted.open("/a", "write")).truncate(4098)
      expect([...(mounted.files().get("/a")?.slice(4096) ?? [])]).toEqual([0, 0])
    }
  })
})
