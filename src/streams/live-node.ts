// A live value that is fed by tables: how it takes in a snapshot, then the commits behind it, and how it starts anew where
// the feed has lost its place.
//
//   waiting ──begin(lsn)──> loading ──finish──> following ──interrupt──> waiting …
//
// While it loads, commits behind the snapshot are kept, the last change of each key, and applied at the end: so no commit
// is left out and none counts twice. What it showed before stays until then.

import type { Change } from "../model/change.ts"
import { OrreryError } from "../model/errors.ts"
import { QueryFailed } from "../model/live-errors.ts"
import type { IndexPart } from "./index-part.ts"
import type { SourceChange } from "./live-row.ts"
import { LiveValue } from "./live-value.ts"

/** What of a table it wants to see: a key, or the keys that begin with a prefix; of these, the rows in a part of an index. */
export interface LiveSource {
  readonly table: string
  readonly key?: string | undefined
  readonly prefix: string
  readonly part?: IndexPart | undefined
}

/** Who feeds it. */
export interface LiveHost {
  /** The commit up to which every live value was fed. */
  readonly lsn: number
  /** It is over: nothing need be fed to it any more. */
  forget(node: LiveNode<unknown>): void
  /** It loads parts of indexes, as of a snapshot: keeps changes of their tables for it until `letGo`. */
  keep(node: LiveNode<unknown>, snapshotLsn: number): void
  letGo(node: LiveNode<unknown>): void
  /**
   * Sees to it that whatever becomes of the rows that it has loaded from a part of an index comes to it, and returns what
   * became of them behind the snapshot. Requires: `keep` since the snapshot.
   */
  adopt(source: LiveSource, keys: Iterable<string>, snapshotLsn: number): readonly Change[]
}

export abstract class LiveNode<Result> extends LiveValue<Result> {
  readonly sources: readonly LiveSource[]
  protected readonly host: LiveHost
  #phase: "waiting" | "loading" | "following" = "waiting"
  /** Of the snapshot that was loaded, or is being loaded. */
  #snapshotLsn = 0
  /** Of what is shown; behind the truth while following: see `lsn`. */
  #shownLsn = 0
  readonly #hasPart: boolean
  /** By source, by key: what followed the snapshot. */
  #behind: Map<string, SourceChange>[] = []
  /** Of the commit that is being taken in. */
  #changes: SourceChange[] = []

  constructor(host: LiveHost, sources: readonly LiveSource[]) {
    super()
    this.host = host
    this.sources = sources
    this.#hasPart = sources.some(({ part }) => part !== undefined)
  }

  get lsn(): number {
    return this.#phase === "following" ? Math.max(this.#shownLsn, this.host.lsn) : this.#shownLsn
  }

  /** The table that it is named after. */
  get table(): string {
    return (this.sources[0] as LiveSource).table
  }

  /** Rows that it keeps. */
  abstract get rowCount(): number
  /** The value of a row that it keeps, if it is still of that version. */
  abstract known(source: number, key: string, version: number): { readonly value: unknown } | undefined
  /** Tells those who follow every change; called when all live values have taken the commit in. */
  abstract publish(): void
  /** The keys of the rows of a source that were loaded. */
  protected abstract loadedKeys(source: number): Iterable<string>
  /** Makes room for a state that is loaded beside the one that is shown. */
  protected abstract prepare(): void
  protected abstract take(source: number, key: string, value: unknown, version: number): void
  /** Shows the state that was loaded, and what followed it. */
  protected abstract complete(behind: readonly SourceChange[]): void
  /** Whether a change could make a difference. */
  protected abstract concerns(change: SourceChange): boolean
  protected abstract step(changes: readonly SourceChange[]): void

  /** A snapshot at that commit is about to be loaded. Commits that come meanwhile may be received already. */
  begin(lsn: number): void {
    this.#phase = "loading"
    this.#snapshotLsn = lsn
    this.#behind = this.sources.map(() => new Map())
    if (this.#hasPart) this.host.keep(this, lsn)
    this.#guard("it read its tables", () => this.prepare())
  }

  load(source: number, key: string, value: unknown, version: number): void {
    this.#guard("it read its tables", () => this.take(source, key, value, version))
  }

  /** The snapshot is complete, and durable. */
  finish(): void {
    if (this.#hasPart) this.#adopt()
    const behind = this.#behind.flatMap((changes) => [...changes.values()])
    this.#behind = []
    this.#guard("it read its tables", () => {
      this.#phase = "following"
      this.#shownLsn = this.#snapshotLsn
      this.complete(behind)
      this.goLive()
    })
  }

  /** The feed has lost its place, or the snapshot has gone. */
  interrupt(): void {
    if (this.#hasPart) this.host.letGo(this)
    this.#shownLsn = this.lsn
    this.#phase = "waiting"
    this.#behind = []
    this.#changes = []
  }

  /** A change of the commit that is being handed on. Returns whether it is the first of it that concerns this value. */
  receive(change: SourceChange): boolean {
    if (this.#phase === "waiting" || this.isOver || change.version <= this.#snapshotLsn) return false
    if (this.#phase === "loading") {
      this.#behind[change.source]?.set(change.key, change)
      return false
    }
    // Written out: of a thousand queries nearly all say no here, for every change. Of a commit that is taken in by half the
    // rest counts too: a row that came with it may go with it.
    try {
      if (this.#changes.length === 0 && !this.concerns(change)) return false
    } catch (cause) {
      this.fail("it took a change in", cause)
      return false
    }
    return this.#changes.push(change) === 1
  }

  /** The commit is complete. */
  settle(): void {
    const changes = this.#changes
    this.#changes = []
    this.#guard("it took a change in", () => this.step(changes))
  }

  protected override ended(_failure: { readonly reason: unknown } | undefined): void {
    this.#shownLsn = this.lsn
    this.#phase = "waiting"
    this.#behind = []
    this.#changes = []
    this.host.forget(this)
  }

  /** Rows that it has loaded may have left their part meanwhile: nobody has told it of these. */
  #adopt(): void {
    for (const [source, wanted] of this.sources.entries()) {
      if (wanted.part === undefined) continue
      for (const { kind, key, value, lsn } of this.host.adopt(wanted, this.loadedKeys(source), this.#snapshotLsn)) {
        this.#behind[source]?.set(key, { source, key, isThere: kind === "put", value, version: lsn })
      }
    }
    this.host.letGo(this)
  }

  /** What a user's function throws ends this query, and nothing else. */
  #guard(doing: string, work: () => void): void {
    if (this.isOver) return
    try {
      work()
    } catch (cause) {
      this.fail(doing, cause)
    }
  }

  /** Ends it with an error. */
  fail(doing: string, cause: unknown): void {
    const remedy = "Mend the function that it was given, or the value that it met, and ask again"
    const reason =
      cause instanceof QueryFailed ? cause : new QueryFailed(this.table, doing, remedyFor(cause, remedy), cause)
    this.end({ reason })
  }
}

/** Errors of the engine know better what is to be done. */
function remedyFor(cause: unknown, remedy: string): string {
  return cause instanceof OrreryError ? cause.remedy : remedy
}
