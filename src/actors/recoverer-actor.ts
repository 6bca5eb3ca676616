// The actor that brings the state up from the disk: at open, and again whenever the log has failed. Holds nothing
// afterwards; the shards and the writer take over what it found.

import { Fold } from "../checkpoint/fold.ts"
import { stateTarget } from "../checkpoint/state-loader.ts"
import { StorageFailed } from "../model/errors.ts"
import { invariant, probe } from "../model/invariant.ts"
import { countTransactions } from "../recovery/count-transactions.ts"
import { recover } from "../recovery/recover.ts"
import { ShardTables } from "../table/shard-tables.ts"
import { Actor } from "./actor.ts"
import type { EngineContext } from "./engine-context.ts"
import { isFullDisk } from "./full-disk.ts"

export class RecovererActor extends Actor<never> {
  readonly #engine: EngineContext

  constructor(engine: EngineContext) {
    super({ name: "recoverer" })
    this.#engine = engine
  }

  protected override receive(): void {
    invariant(false, "the recoverer has no messages")
  }

  protected override async start(): Promise<void> {
    const engine = this.#engine
    const { settings } = engine
    const shards = Array.from({ length: settings.shardCount }, () => new ShardTables())
    engine.catalogue.reset()
    const recovered = await recover({
      directory: settings.directory,
      clock: engine.clock,
      manifest: engine.manifest,
      foundStore: settings.foundStore,
      trustedLsn: engine.trustedLsn,
      warnings: settings.warnings,
      state: stateTarget(settings.directory, engine.catalogue, shards),
      fold: new Fold(engine.catalogue, shards),
      countTransactions: () => countTransactions(engine.catalogue, shards),
      onProgress: settings.onRecovery,
      mayRepairLater: (error) => engine.wasOpen && isFullDisk(error),
    })
    engine.noteRecovered({ ...recovered }, shards)
    if (settings.mendsManifest && !engine.wasOpen) await this.#mendManifest()
  }

  /** Not before: a store that is refused is not changed. One copy is enough, so a disk that fails it stands in no way. */
  async #mendManifest(): Promise<void> {
    const { firstSegment, firstLsn } = this.#engine.manifest
    try {
      await this.#engine.saveLogStart(firstSegment, firstLsn)
      probe("a copy of the manifest is written anew")
    } catch (error) {
      if (!(error instanceof StorageFailed)) throw error
    }
  }
}
