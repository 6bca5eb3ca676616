// The actor that owns the log: begins the epoch, commits in groups, seals on the way out.
//
// Three ends: closed in order (flushed, sealed); killed (what it holds is flushed, then the log is read anew); failed by
// the disk (what it holds is unknown or rejected, and nothing of it is trusted again). Where the disk is full it stays,
// without a log, and tries again: the store reads on meanwhile.

import { LogUnavailable } from "../model/errors.ts"
import { invariant, probe } from "../model/invariant.ts"
import { lsnOf } from "../model/lsn.ts"
import type { Timer } from "../platform/clock.ts"
import { FileLog } from "../wal/file-log.ts"
import { GroupCommit } from "../wal/group-commit.ts"
import { Actor } from "./actor.ts"
import type { EngineContext } from "./engine-context.ts"
import { isFullDisk } from "./full-disk.ts"

const RETRY_MS_FIRST = 250
const RETRY_MS_MAX = 10_000

export class WalWriterActor extends Actor<never> {
  readonly #engine: EngineContext
  #log: FileLog | undefined
  #commit: GroupCommit | undefined
  #retryTimer: Timer | undefined
  #retrying: Promise<void> | undefined
  #hasStopped = false

  constructor(engine: EngineContext) {
    super({ name: "wal-writer" })
    this.#engine = engine
  }

  protected override receive(): void {
    invariant(false, "the writer has no other messages than commits")
  }

  protected override async start(): Promise<void> {
    this.#hasStopped = false
    try {
      await this.#begin()
    } catch (error) {
      if (!isFullDisk(error) || !this.#engine.wasOpen) throw error
      probe("a full disk makes the store read-only")
      this.#engine.noteReadOnly(error)
      this.#retryLater(RETRY_MS_FIRST)
    }
  }

  protected override async stop(crash: { readonly cause: unknown } | undefined): Promise<void> {
    this.#hasStopped = true
    this.#retryTimer?.cancel()
    await this.#retrying
    const commit = this.#commit
    const log = this.#log
    this.#commit = undefined
    this.#log = undefined
    this.#engine.disconnectLog(crash?.cause)
    if (commit !== undefined && !commit.hasFailed) {
      await commit.flush().catch((error: unknown) => {
        // The writers were told. After a kill the log is read anew; whoever closes the store has to know.
        if (crash === undefined) this.#engine.noteUnflushed(error)
      })
      await commit.whenIdle()
      commit.abandon(crash?.cause ?? new LogUnavailable("it is closed"))
    }
    await commit?.whenIdle()
    await log?.close().catch((error: unknown) => this.#engine.noteUnflushed(error))
  }

  async #begin(): Promise<void> {
    const engine = this.#engine
    const { settings, recovered } = engine
    invariant(recovered !== undefined, "I9: the log is written only after it was recovered")
    if (recovered.repair !== undefined) engine.noteRepaired(await recovered.repair())
    if (this.#hasStopped) return
    const log = await FileLog.begin(settings.directory, recovered.end, {
      clock: engine.clock,
      segmentSize: settings.segmentBytes,
      owner: settings.owner,
      lsnMin: engine.lsnMin,
      saveStart: (segment, lsn) => engine.saveLogStart(segment, lsn),
    })
    if (this.#hasStopped) return log.close()
    this.#log = log
    this.#commit = new GroupCommit(log, engine.clock, settings.flush, settings.backlogBytes, {
      beforeSwitch: () => engine.drainShards(),
      onWritten: (frame) => engine.metadata.note(frame),
      onDurable: (frame) => engine.publish(frame),
      onAdvance: (durableLsn) => engine.advance(durableLsn),
      onRoom: () => engine.admit(),
      onFailure: (reason) => {
        engine.noteLogFailure(lsnOf(log.durableLsn), reason)
        this.kill(reason)
      },
    })
    engine.connectLog(log, this.#commit)
  }

  #retryLater(delayMs: number): void {
    this.#retryTimer = this.#engine.clock.after(delayMs, () => {
      this.#retrying = this.#begin().then(
        () => undefined,
        (error: unknown) => {
          if (isFullDisk(error)) this.#retryLater(Math.min(delayMs * 2, RETRY_MS_MAX))
          else this.kill(error)
        },
      )
    })
  }
}
