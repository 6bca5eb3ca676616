// How a store comes to rest: flushed while it goes on, or closed for good, with everything accepted on stable storage.

import type { Engine } from "../actors/engine.ts"
import type { DirectoryLock } from "../platform/file-system.ts"
import { storageFailed } from "../platform/system-error.ts"
import type { EventHub } from "./store-event.ts"

export class StoreLife {
  readonly #path: string
  readonly #engine: Engine
  readonly #lock: DirectoryLock
  readonly #events: EventHub
  #closing: Promise<void> | undefined

  constructor(path: string, engine: Engine, lock: DirectoryLock, events: EventHub) {
    this.#path = path
    this.#engine = engine
    this.#lock = lock
    this.#events = events
  }

  /** Fails with: StoreClosed, where the store is closed or being closed. */
  requireOpen(): void {
    const { state } = this.#engine.status
    if (state === "closed" || state === "closing") throw this.#engine.closedError()
  }

  /** Resolves when every write up to now is on stable storage. */
  async flush(): Promise<void> {
    this.requireOpen()
    while (this.#engine.admission.count > 0 || this.#engine.commit === undefined) {
      await this.#engine.ready()
      if (this.#engine.commit === undefined) throw this.#engine.refusal() ?? this.#engine.unavailable("the log")
      await this.#engine.commit.flush()
    }
    await this.#engine.commit.flush()
  }

  /** `endUse` ends what uses the store from within, if anything does. Calling it again waits for the same end. */
  close(endUse: () => Promise<unknown> | undefined): Promise<void> {
    this.#closing ??= this.#close(endUse())
    return this.#closing
  }

  async #close(usersEnd: Promise<unknown> | undefined): Promise<void> {
    try {
      if (usersEnd !== undefined) await usersEnd
      const { state } = this.#engine.status
      // Writes that wait in line were accepted: they go first.
      if (state === "open" || state === "recovering") await this.#drain()
      // The log holds all of it: a checkpoint that fails now costs the next open some time, nothing else.
      if (state === "open") await this.#engine.checkpointer.checkpointOnClose().catch(ignore)
      await this.#engine.stop()
      await this.#lock.release()
    } catch (error) {
      await this.#lock.release().catch(() => undefined)
      throw storageFailed("close", this.#path, error)
    } finally {
      this.#events.emit({ kind: "closed", reason: this.#engine.status.reason })
      this.#events.end()
    }
  }

  async #drain(): Promise<void> {
    this.#engine.refuseWrites()
    // Not within the call: it may come from a value's getter, while a record is half written.
    await Promise.resolve()
    while (this.#engine.admission.count > 0) {
      try {
        await this.#engine.ready()
        await this.#engine.commit?.flush()
      } catch {
        // The writers were told; what is left is closed without them.
        return
      }
    }
  }
}

/** Somebody else is told: the status says why a store gave up, and whoever calls close himself learns it by that call. */
function ignore(): void {}
