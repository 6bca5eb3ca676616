// The enumeration of crash states: exactly the promised ones, once each, in an order that can be repeated.

import { describe, expect, test } from "vitest"
import type { FileHandle } from "../../src/platform/file-system.ts"
import { shuffled } from "../../src/simulation/completion-order.ts"
import { countCandidates, crashState, crashStates, type CrashState } from "../../src/simulation/crash-states.ts"
import { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import { SimulatedRandom } from "../../src/simulation/simulated-random.ts"
import { bytesOf, present } from "../platform/file-system-contract.ts"
import { PlainDisk, plainStates, plainWrite, showFile, type PlainUnit } from "./plain-disk.ts"

function show(disk: SimulatedDisk): string {
  const lines = [...disk.files()].map(([path, bytes]) => showFile(path, bytes))
  return lines.sort().join("\n")
}

function lastStates(disk: SimulatedDisk): CrashState[] {
  return [...crashStates(disk.trace())].filter((state) => state.afterOperation === disk.operationCount)
}

function kindsOf(states: Iterable<CrashState>): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { kind } of states) counts[kind] = (counts[kind] ?? 0) + 1
  return counts
}

async function createDurable(disk: SimulatedDisk, path: string, size: number, byte: number): Promise<FileHandle> {
  const file = await disk.open(path, "create")
  if (size > 0) await file.write(new Uint8Array(size).fill(byte), 0)
  await file.dataSync()
  await disk.syncDirectory("/")
  return file
}

describe("the states of one moment", () => {
  test("of a disk with nothing pending are one", async () => {
    const disk = new SimulatedDisk()
    await createDurable(disk, "/a", 100, 1)
    const states = lastStates(disk)
    expect(states.map(({ kind }) => kind)).toEqual(["nothing"])
    expect(show(present(states[0]).mount())).toBe(show(disk))
  })

  test("of a write into two sectors are: each kept or lost, and the first torn", async () => {
    const disk = new SimulatedDisk()
    const file = await createDurable(disk, "/a", 1024, 1)
    await file.write(new Uint8Array(4).fill(2), 510)
    const seen = lastStates(disk).map((state) =>
      [...(state.mount().files().get("/a")?.slice(509, 515) ?? [])].join(" "),
    )
    expect(seen.sort()).toEqual(
      [
        "1 1 1 1 1 1", // nothing kept
        "1 2 2 2 2 1", // everything
        "1 2 2 1 1 1", // the first sector alone
        "1 1 1 2 2 1", // the second alone
        "1 0 0 1 1 1", // the first torn to zeros, garbage, half
        "1 165 165 1 1 1",
        "1 2 1 1 1 1",
        "1 2 2 0 0 1", // the first kept, the second torn
        "1 2 2 165 165 1",
        "1 2 2 2 1 1",
      ].sort(),
    )
  })

  test("of a new file are its name, size and bytes, each on its own", async () => {
    const disk = new SimulatedDisk()
    await (await disk.open("/a", "create")).write(bytesOf(7, 7), 0)
    expect(new Set(lastStates(disk).map((state) => show(state.mount())))).toEqual(
      new Set(["", "/a:", "/a:00", "/a:0000", "/a:0707", "/a:a5a5", "/a:0700"]),
    )
  })

  test("are those of a brute-force model, for many small histories of one disk", async () => {
    let stateCount = 0
    for (let seed = 0; seed < 70; seed++) {
      const { disk, plain, pending } = await randomHistory(seed)
      const expected = plainStates(plain, pending)
      const found = lastStates(disk).map((state) => show(state.mount()))
      expect(new Set(found), `seed ${seed}`).toEqual(expected)
      // No state comes twice.
      expect(found.length, `seed ${seed}`).toBe(expected.size)
      stateCount += found.length
    }
    expect(stateCount).toBeGreaterThan(1000)
  })

  test("of more than six units are samples beside prefixes, holes and torn ones", async () => {
    const disk = new SimulatedDisk()
    const file = await createDurable(disk, "/a", 8 * 512, 1)
    await file.write(new Uint8Array(8 * 512).fill(2), 0)
    const states = [...crashStates(disk.trace(), { sampleCount: 5 })].filter(
      (s) => s.afterOperation === disk.operationCount,
    )
    expect(kindsOf(states)).toMatchObject({
      nothing: 1,
      everything: 1,
      prefix: 7,
      "torn-zeros": 8,
      "torn-garbage": 8,
      "torn-half": 8,
      // The hole at the end is a prefix.
      hole: 7,
    })
    expect(kindsOf(states)["sample"]).toBeGreaterThan(0)
    expect(kindsOf(states)["sample"]).toBeLessThanOrEqual(5)
    expect(kindsOf(states)["subset"]).toBeUndefined()
  })

  test("do not tell a file of zeros from a hole, nor unsized bytes from none", async () => {
    const disk = new SimulatedDisk()
    const file = await createDurable(disk, "/a", 0, 0)
    await file.write(new Uint8Array(600), 0)
    const sizes = lastStates(disk).map((state) => state.mount().files().get("/a"))
    const zeros = sizes.filter((bytes) => bytes?.every((byte) => byte === 0) === true)
    expect(new Set(zeros.map((bytes) => bytes?.length))).toEqual(new Set([0, 300, 600]))
    expect(zeros).toHaveLength(3)
  })
})

describe("the moments of a trace", () => {
  test("are all that change what a crash can leave, each with the operations that had ended", async () => {
    const disk = new SimulatedDisk()
    const file = await disk.open("/a", "create") // 1
    await file.size() // 2
    await file.writeSynced(bytesOf(1), 0) // 3
    await disk.stat("/a") // 4
    await disk.syncDirectory("/") // 5
    const moments = [...new Set([...crashStates(disk.trace())].map(({ afterOperation }) => afterOperation))]
    // Empty; the name pending; in the synced write, and after it; all durable. Reads in between add to what has ended.
    expect(moments).toEqual([0, 2, 4, 5])
    const during = [...crashStates(disk.trace())].filter(({ inFlight }) => inFlight[0]?.name === "writeSynced")
    expect(during.every(({ afterOperation }) => afterOperation === 2)).toBe(true)
    expect(during.length).toBeGreaterThan(1)
  })

  test("an acknowledged byte is there in every state of every later moment", async () => {
    for (let seed = 0; seed < 12; seed++) {
      const random = new SimulatedRandom(seed)
      const disk = new SimulatedDisk({ seed, completion: shuffled(random) })
      /** What each byte of each file may be, from which count of ended operations on. */
      const acknowledged: { path: string; at: number; byte: number; count: number }[] = []
      await Promise.all(
        ["/a", "/b"].map(async (path) => {
          const file = await createDurable(disk, path, 3000, 0)
          for (let byte = 1; byte <= 12; byte++) {
            const at = byte * 200
            const source = new Uint8Array(200).fill(byte)
            if (random.chance(2)) await file.writeSynced(source, at)
            else {
              // An older write of other bytes lies under it.
              await file.write(new Uint8Array(300).fill(99), at)
              await file.write(source, at)
              await file.dataSync()
            }
            acknowledged.push({ path, at, byte, count: disk.operationCount })
          }
        }),
      )
      let checkCount = 0
      for (const state of crashStates(disk.trace())) {
        const files = state.mount().files()
        for (const { path, at, byte, count } of acknowledged) {
          if (count > state.afterOperation) continue
          if (
            files
              .get(path)
              ?.subarray(at, at + 200)
              .every((found) => found === byte) !== true
          ) {
            expect.fail(`seed ${seed}: ${path} at ${at} lost ${byte}\n${state.describe()}`)
          }
          checkCount++
        }
      }
      expect(checkCount).toBeGreaterThan(100)
    }
  })
})

describe("a state", () => {
  async function busyTrace(seed: number) {
    const disk = new SimulatedDisk({ seed })
    const file = await createDurable(disk, "/a", 4096, 1)
    for (let step = 0; step < 6; step++) await file.write(new Uint8Array(700).fill(step + 2), step * 300)
    await disk.rename("/a", "/b")
    await file.writeSynced(bytesOf(9), 100)
    return disk.trace()
  }

  test("comes again from the seed and its id alone", async () => {
    const trace = await busyTrace(1)
    const states = [...crashStates(trace, { seed: 5 })]
    expect(new Set(states.map(({ id }) => id)).size).toBe(states.length)
    for (const state of states.filter((_, index) => index % 7 === 0)) {
      const again = crashState(trace, state.id, 5)
      expect(again.kind).toBe(state.kind)
      expect(again.describe()).toBe(state.describe())
      expect(show(again.mount())).toBe(show(state.mount()))
    }
    expect(() => crashState(trace, "100000.0")).toThrow("the trace has a crash state 100000.0")
  })

  test("the same trace and seed give the same states in the same order, another seed other samples", async () => {
    const walk = async (seed: number): Promise<string[]> =>
      [...crashStates(await busyTrace(1), { seed })].map((state) => `${state.id} ${state.kind} ${show(state.mount())}`)
    expect(await walk(1)).toEqual(await walk(1))
    expect(await walk(1)).not.toEqual(await walk(2))
  })

  test("mounts as many independent disks as are asked for, unlocked and with nothing pending", async () => {
    const state = present([...crashStates(await busyTrace(1))][0])
    const [first, second] = [state.mount(), state.mount({ capacityBytes: 10_000 })]
    await first.lock("/", "LOCK")
    await (await first.open("/c", "create")).write(bytesOf(1), 0)
    expect([...second.files().keys()]).toEqual([])
    expect(await second.lock("/", "LOCK")).toHaveProperty("release")
    expect(second.capacityBytes).toBe(10_000)
    expect(state.mount().trace().basePending).toEqual([])
  })

  test("kept by a test stays as it was while the enumeration goes on", async () => {
    const states = [...crashStates(await busyTrace(1))]
    const shown = new Map(states.map((state) => [state.id, show(state.mount())]))
    for (const state of crashStates(await busyTrace(1))) expect(show(state.mount())).toBe(shown.get(state.id))
  })

  test("crashes again in the recovery that runs on it", async () => {
    let nestedCount = 0
    for (const state of crashStates(await busyTrace(1), { limit: 50 })) {
      const disk = state.mount()
      const path = [...disk.files().keys()][0]
      if (path === undefined) continue
      await (await disk.open(path, "write")).writeSynced(bytesOf(5, 5), 0)
      const heads = new Set([...crashStates(disk.trace())].map((nested) => nested.mount().files().get(path)?.[0]))
      expect(heads).toContain(5)
      nestedCount++
    }
    expect(nestedCount).toBeGreaterThan(10)
  })

  test("says what was done, what was kept and what was lost", async () => {
    const disk = new SimulatedDisk()
    const file = await createDurable(disk, "/log", 1024, 1)
    await file.write(bytesOf(2), 0)
    const inFlight = file.writeSynced(bytesOf(3), 600)
    const state = [...crashStates(disk.trace())].find(
      ({ kind, afterOperation }) => kind === "hole" && afterOperation === 5,
    )
    expect(state?.describe().split("\n")).toEqual([
      `state ${state?.id} (hole), after 5 operations`,
      "last ended: 5. write /log (1 at 0): done",
      "in flight: 6. writeSynced /log (1 at 600): in flight",
      "lost: bytes 0 to 1 of /log, of operation 5",
      "kept: bytes 600 to 601 of /log, of operation 6",
    ])
    await inFlight
  })

  test("a limit takes about that many, spread over all moments", async () => {
    const trace = await busyTrace(1)
    const all = [...crashStates(trace)]
    const some = [...crashStates(trace, { limit: 60 })]
    expect(countCandidates(trace)).toBeGreaterThan(all.length)
    expect(some.length).toBeGreaterThan(20)
    expect(some.length).toBeLessThan(100)
    expect(new Set(some.map(({ afterOperation }) => afterOperation)).size).toBeGreaterThan(4)
    const ids = new Set(all.map(({ id }) => id))
    const showing = new Set(all.map((state) => show(state.mount())))
    for (const state of some) expect(ids.has(state.id) || showing.has(show(state.mount()))).toBe(true)
  })
})

interface History {
  readonly disk: SimulatedDisk
  readonly plain: PlainDisk
  readonly pending: readonly PlainUnit[]
}

/** Two durable files, then random changes that leave up to six units pending. */
async function randomHistory(seed: number): Promise<History> {
  const random = new SimulatedRandom(seed)
  const disk = new SimulatedDisk()
  const plain = new PlainDisk()
  const handles: FileHandle[] = []
  const sizes: number[] = []
  const names: (string | undefined)[] = []
  for (const [number, name] of ["/a", "/b"].entries()) {
    const size = random.below(1200)
    handles.push(await createDurable(disk, name, size, number + 1))
    sizes.push(size)
    names.push(name)
    plain.apply({ kind: "create", name, file: number })
    plain.apply({ kind: "size", file: number, size, cuts: false })
    plain.apply({ kind: "data", file: number, position: 0, bytes: new Array<number>(size).fill(number + 1) })
  }
  const pending: PlainUnit[] = []
  for (let step = 0; step < 5; step++) {
    const number = random.below(handles.length)
    const units = await randomChange(random, { disk, handles, sizes, names }, number, 6 - pending.length)
    pending.push(...units)
  }
  return { disk, plain, pending }
}

interface Players {
  readonly disk: SimulatedDisk
  readonly handles: FileHandle[]
  readonly sizes: number[]
  readonly names: (string | undefined)[]
}

async function randomChange(
  random: SimulatedRandom,
  players: Players,
  number: number,
  room: number,
): Promise<PlainUnit[]> {
  const { disk, handles, sizes, names } = players
  const size = sizes[number] ?? 0
  const name = names[number]
  const choice = random.below(6)
  if (choice <= 1) {
    const position = random.below(1300)
    const bytes = new Array<number>(1 + random.below(700)).fill(10 + random.below(200))
    const units = plainWrite(number, size, position, bytes)
    if (units.length > room) return []
    await handles[number]?.write(Uint8Array.from(bytes), position)
    sizes[number] = Math.max(size, position + bytes.length)
    return units
  }
  if (room < 1) return []
  if (choice === 2) {
    const cut = random.below(1500)
    if (cut === size) return []
    await handles[number]?.truncate(cut)
    sizes[number] = cut
    return [{ kind: "size", file: number, size: cut, cuts: cut < size }]
  }
  if (choice === 3) {
    const fresh = `/new-${handles.length}`
    handles.push(await disk.open(fresh, "create"))
    sizes.push(0)
    names.push(fresh)
    return [{ kind: "create", name: fresh, file: handles.length - 1 }]
  }
  if (name === undefined) return []
  if (choice === 4) {
    await disk.unlink(name)
    names[number] = undefined
    return [{ kind: "unlink", name, file: number }]
  }
  const target = random.pick(["/a", "/b", "/c"])
  if (target === name) return []
  await disk.rename(name, target)
  const replaced = names.indexOf(target)
  if (replaced !== -1) names[replaced] = undefined
  names[number] = target
  return [{ kind: "rename", name, target, file: number }]
}
