// Writes a store's events into its audit log, one line each, beside the data path and never in its way: entries wait in a
// bounded queue, one write is in flight, what cannot be written waits for the next entry and harms nobody. Lines come in
// the order of the events, and hold no records, no keys and no values.
//
// Nothing is written before the store is open: a directory that is refused is not changed, not even by this. Lines wait a
// moment for company, so that the first commits of a store, and a burst of events, have the disk to themselves. And little
// is synced: a sync takes the disk from commits, and a line is no promise. Opening, recovering and closing are rare, and
// stand where a power cut is looked into afterwards; the lines before them come along.

import { OrreryError } from "../model/errors.ts"
import type { Timer } from "../platform/clock.ts"
import type { DirectoryLock } from "../platform/file-system.ts"
import type { Platform } from "../platform/platform.ts"
import { appendLines, auditLine } from "../recovery/audit-file.ts"
import type { AuditFact, AuditFacts } from "../recovery/audit-file.ts"
import type { StoreEvent } from "./store-event.ts"

/** Entries that wait; what comes on top is counted, and the next line says how many. */
const QUEUE_COUNT_MAX = 1_000

/** Entries that are written at once: by the bound of a line they are less than the file may hold. */
const BATCH_COUNT_MAX = 32

/** Milliseconds that a line waits for others. A process that is killed within them leaves no trace of the last event. */
const GATHER_MS = 200

/** Milliseconds that closing a store waits for its last line. */
const CLOSE_WAIT_MS = 1_000

const SYNCED_KINDS: ReadonlySet<string> = new Set(["opened", "recovered", "closed"])

interface Entry {
  readonly timeMs: number
  readonly kind: string
  readonly facts: AuditFacts
}

export class AuditLog {
  // Constant after construction.
  readonly #platform: Platform
  readonly #path: string
  readonly #onFailure: (error: unknown) => void

  #isBegun = false
  #timer: Timer | undefined
  #isClosed = false
  readonly #entries: Entry[] = []
  #droppedCount = 0
  /** Failed attempts since a line was written. */
  #failureCount = 0
  #wasOpen = false
  #writing: Promise<void> | undefined

  /** `onFailure` is told once, until a line is written again. */
  constructor(platform: Platform, path: string, onFailure: (error: unknown) => void) {
    this.#platform = platform
    this.#path = path
    this.#onFailure = onFailure
  }

  /** From now on lines are written: the store is open. */
  begin(): void {
    this.#isBegun = true
    this.#arm()
  }

  /** Takes an event, if it is one that the log tells of. */
  note(event: StoreEvent): void {
    if (this.#isClosed || !this.#isTold(event)) return
    const facts = event.kind === "opened" ? { lsn: event.recovery.lastLsn } : factsOf(event)
    this.#add({ timeMs: event.timeMs, kind: event.kind, facts })
  }

  /**
   * The lock, given free only behind the last line: why the store gave up, or that its user closed it. Waits for the line
   * a second at most.
   */
  guard(lock: DirectoryLock, reasonOf: () => OrreryError | undefined): DirectoryLock {
    return {
      release: async () => {
        if (!this.#isClosed) await this.#close(reasonOf())
        await lock.release()
      },
    }
  }

  async #close(reason: OrreryError | undefined): Promise<void> {
    const { clock } = this.#platform
    this.#add({ timeMs: clock.wallMs(), kind: "closed", facts: factsOf({ reason }) })
    this.#isClosed = true
    this.#timer?.cancel()
    const { promise: isLate, resolve } = Promise.withResolvers<void>()
    const timer = clock.after(CLOSE_WAIT_MS, resolve, true)
    // What is being written may have failed without the last line.
    const last = (this.#writing ?? Promise.resolve()).then(() => this.#drain())
    await Promise.race([last, isLate])
    timer.cancel()
  }

  /** Opening and closing have lines of their own, and so has what the log itself suffers. */
  #isTold(event: StoreEvent): boolean {
    if (event.kind === "closed" || event.kind === "audit-failed") return false
    // Where a program forgot something is no part of the store's life.
    if (event.kind === "snapshot-leaked") return false
    // Nor is what its own functions do, whose errors may name keys and values; the alert is told of.
    if (event.kind.startsWith("consumer-") || event.kind === "view-failed") return false
    if (event.kind !== "status") return true
    const { state } = event
    if (state === "opening" || state === "closing" || state === "closed") return false
    const isFirst = state === "open" && !this.#wasOpen
    this.#wasOpen = true
    return !isFirst
  }

  #add(entry: Entry): void {
    if (this.#entries.length >= QUEUE_COUNT_MAX && entry.kind !== "closed") {
      this.#droppedCount++
      return
    }
    const dropped = this.#droppedCount
    this.#droppedCount = 0
    this.#entries.push(dropped === 0 ? entry : { ...entry, facts: { ...entry.facts, dropped } })
    this.#arm()
  }

  #arm(): void {
    if (!this.#isBegun || this.#isClosed || this.#timer !== undefined) return
    this.#timer = this.#platform.clock.after(GATHER_MS, () => {
      this.#writing = this.#drain().finally(() => {
        this.#timer = undefined
        // One came at the last moment. Behind a failure it waits for the next.
        if (this.#entries.length > 0 && this.#failureCount === 0) this.#arm()
      })
    })
  }

  /** Writes what waits, until nothing does or it fails. */
  async #drain(): Promise<void> {
    while (this.#entries.length > 0) {
      const batch = this.#entries.slice(0, BATCH_COUNT_MAX)
      try {
        const syncs = batch.some(({ kind }) => SYNCED_KINDS.has(kind))
        await appendLines(this.#platform.fileSystem, this.#path, this.#linesOf(batch), syncs)
      } catch (error) {
        this.#failureCount++
        if (this.#failureCount === 1) this.#onFailure(error)
        return
      }
      this.#entries.splice(0, batch.length)
      this.#failureCount = 0
    }
  }

  #linesOf(batch: readonly Entry[]): string {
    const failures = this.#failureCount === 0 ? undefined : this.#failureCount
    const lines = batch.map(({ timeMs, kind, facts }, index) =>
      auditLine(timeMs, kind, this.#platform.identity, index === 0 ? { ...facts, failures } : facts),
    )
    return lines.join("")
  }
}

/** What an event says in numbers and short texts, its report's and its alert's included. */
function factsOf(event: object): AuditFacts {
  const facts: Record<string, AuditFact | undefined> = {}
  for (const [name, value] of Object.entries(event)) {
    if (name === "kind" || name === "timeMs") continue
    if (isFact(value)) facts[name] = value
    else if (value instanceof OrreryError) Object.assign(facts, { code: value.code, summary: value.summary })
    // What the message of another's error holds nobody knows.
    else if (value instanceof Error) facts["error"] = value.name
    else if (typeof value === "object" && value !== null) {
      for (const [part, fact] of Object.entries(value)) if (isFact(fact)) facts[part] = fact
    }
  }
  return facts
}

function isFact(value: unknown): value is AuditFact {
  if (typeof value === "number") return Number.isFinite(value)
  if (typeof value === "boolean" || typeof value === "string") return true
  return Array.isArray(value) && value.length > 0 && value.every((text) => typeof text === "string")
}
