// A store on the simulated disk whose alerts are listened to, and time that passes as a test wants it.

// Loaded ahead: the first `open` loads it, which takes real time, while simulated time goes on.
import "../../src/actors/engine.ts"
import { open } from "../../src/index.ts"
import type { OpenOptions, Store, StoreEvent } from "../../src/index.ts"
import { SimulatedClock } from "../../src/simulation/simulated-clock.ts"
import { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import type { SimulatedDiskOptions } from "../../src/simulation/simulated-disk.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import type { SimulatedPlatform } from "../../src/simulation/simulated-platform.ts"

const STEP_MS = 125

export class WatchedStore {
  readonly platform: SimulatedPlatform
  readonly store: Store
  readonly events: StoreEvent[] = []
  /** "log warning", "log cleared", … in the order in which they were told. */
  readonly told: string[] = []

  private constructor(platform: SimulatedPlatform, store: Store) {
    this.platform = platform
    this.store = store
    store.events().subscribe((event) => {
      this.events.push(event)
      if (event.kind === "alert-raised") this.told.push(`${event.alert.rule} ${event.alert.severity}`)
      else if (event.kind === "alert-cleared") this.told.push(`${event.alert.rule} cleared`)
    })
  }

  static async open(
    options: OpenOptions = {},
    disk: SimulatedDiskOptions = {},
    clock: SimulatedClock = new SimulatedClock(),
  ): Promise<WatchedStore> {
    const platform = simulatePlatform({ seed: 1, clock, disk: new SimulatedDisk(disk) })
    const opening = open("/data", { platform, shards: 2, segmentBytes: 4096, ...options })
    return new WatchedStore(platform, await passing(platform, opening))
  }

  get disk(): SimulatedDisk {
    return this.platform.fileSystem
  }

  /** So much time passes, and what happens meanwhile happens. */
  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += STEP_MS) {
      this.platform.clock.advance(Math.min(STEP_MS, ms - passed))
      await turns()
    }
  }

  /** Puts about so many bytes, each kilobyte of them over the one before. */
  async write(bytes: number): Promise<void> {
    const table = this.store.table<string>("t")
    for (let done = 0; done < bytes; done += 1024) await this.settled(table.put("key", "v".repeat(1024)))
  }

  /** Waits for work, with as little time as it takes. */
  settled<T>(work: Promise<T>): Promise<T> {
    return passing(this.platform, work)
  }

  close(): Promise<void> {
    return this.settled(this.store.close())
  }
}

async function passing<T>(platform: SimulatedPlatform, work: Promise<T>): Promise<T> {
  let isDone = false
  const watched = work.finally(() => {
    isDone = true
  })
  watched.catch(() => undefined)
  for (let round = 0; !isDone && round < 10_000; round++) {
    await turns()
    if (!isDone) platform.clock.advance(1)
  }
  return watched
}

async function turns(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise<void>((resolve) => setImmediate(resolve))
}
