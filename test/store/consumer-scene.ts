// A store over the simulated disk, with consumers in it, and time that passes when somebody waits.

import { onTestFinished } from "vitest"
import "../../src/actors/engine.ts"
import { open } from "../../src/index.ts"
import type { OpenOptions, Store, StoreEvent } from "../../src/index.ts"
import { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import type { SimulatedPlatform } from "../../src/simulation/simulated-platform.ts"
import { untilSettled } from "../property/store-history.ts"

export class ConsumerScene {
  readonly platform: SimulatedPlatform
  readonly store: Store
  readonly events: StoreEvent[] = []

  private constructor(platform: SimulatedPlatform, store: Store) {
    this.platform = platform
    this.store = store
    store.events().subscribe((event) => this.events.push(event))
  }

  static async open(
    disk: SimulatedDisk = new SimulatedDisk({ seed: 1 }),
    options: OpenOptions = {},
  ): Promise<ConsumerScene> {
    const platform = simulatePlatform({ seed: 1, disk })
    const store = await untilSettled(platform, open("/data", { platform, shards: 3, segmentBytes: 4096, ...options }))
    const scene = new ConsumerScene(platform, store)
    onTestFinished(() => scene.close())
    return scene
  }

  /** Lets time pass until the work is done. */
  done<T>(work: Promise<T>): Promise<T> {
    return untilSettled(this.platform, work)
  }

  /** Lets time pass until it holds. */
  async until(holds: () => boolean, what: () => string = () => String(holds)): Promise<void> {
    for (let round = 0; round < 5_000; round++) {
      if (holds()) return
      await this.turns(1)
      if (round > 20) this.platform.clock.advance(round > 200 ? 1_000 : 20)
    }
    throw new Error(`it does not come to hold: ${what()}`)
  }

  /** So many turns of the event loop, in no time. */
  async turns(count: number): Promise<void> {
    for (let turn = 0; turn < count; turn++) await new Promise<void>((resolve) => setImmediate(resolve))
  }

  /** Until every consumer has nothing left to do. */
  async idle(): Promise<void> {
    await this.done(this.store.flush())
    await this.until(
      () => this.store.consumers().every(({ state, lag }) => state !== "running" || lag === 0),
      () => JSON.stringify(this.store.consumers()),
    )
  }

  async close(): Promise<void> {
    await this.done(this.store.close())
  }

  /** The same store, opened again. */
  async reopened(options: OpenOptions = {}): Promise<ConsumerScene> {
    await this.close()
    return ConsumerScene.open(this.platform.fileSystem, options)
  }
}
