// A view, as users hold it.

import type { ViewFailed } from "../model/view-errors.ts"
import type { TableHandle } from "./table-handle.ts"
import { progressOf } from "./view-record.ts"
import type { ViewRecord, ViewStanding } from "./view-record.ts"
import type { ViewRun } from "./view-run.ts"

/**
 * - `building`: what is in the sources is being taken in; the rows are a part of what they will be.
 * - `ready`: the rows are those of the sources, a moment behind.
 * - `failed`: it stands still; the rows are those of its position.
 * - `stopped`: nobody keeps it up at the moment.
 */
export type ViewState = "building" | "ready" | "failed" | "stopped"

/** What the store knows of a view, whether it is kept up or not. */
export interface ViewInfo {
  readonly name: string
  readonly state: ViewState
  readonly from: readonly string[]
  /** The changes up to here are in its rows. */
  readonly position: number
  /** Positions of the log behind it, of which it may have to take some in. */
  readonly lag: number
  /** How much of its building is done, from 0 to 1. */
  readonly progress: number
  /** What it failed with; undefined where all is well. */
  readonly error: string | undefined
}

/** What a view's handle needs of its store. */
export interface ViewOwner {
  infoOf(name: string): ViewInfo
  stop(run: ViewRun): Promise<void>
  rebuild(run: ViewRun): Promise<void>
}

export class View<Row = unknown> {
  readonly name: string
  /** Its rows: to be read and followed like any table, and written by nobody else. Writing fails with ViewReadOnly. */
  readonly table: TableHandle<Row>
  readonly #run: ViewRun
  readonly #owner: ViewOwner

  /** Made by `store.view`. */
  constructor(run: ViewRun, table: TableHandle<Row>, owner: ViewOwner) {
    this.name = run.name
    this.table = table
    this.#run = run
    this.#owner = owner
  }

  get state(): ViewState {
    return this.info.state
  }

  /** The changes up to here are in its rows. */
  get position(): number {
    return this.info.position
  }

  /** Positions of the log between it and what is durable, of which it may have to take some in. */
  get lag(): number {
    return this.info.lag
  }

  /** How much of its building is done, from 0 to 1. */
  get progress(): number {
    return this.info.progress
  }

  get info(): ViewInfo {
    return this.#owner.infoOf(this.name)
  }

  /** Why it stands still, as far as this process knows; undefined where it does not. */
  get error(): ViewFailed | undefined {
    return this.#run.failure
  }

  /** Resolves when the rows are those of the sources, as of a moment ago. Fails with: ViewFailed, StoreClosed. */
  async ready(): Promise<void> {
    await this.#run.ready()
  }

  /** Resolves when nobody keeps it up any more: it was stopped or removed, or the store is closed. Never rejects. */
  get done(): Promise<void> {
    return this.#run.done
  }

  /** Removes all rows and makes them anew. Resolves when that has begun. Fails like `transact`. */
  rebuild(): Promise<void> {
    return this.#owner.rebuild(this.#run)
  }

  /** Leaves the rows as they are from now on. The next `view` of this name goes on from there. */
  stop(): Promise<void> {
    return this.#owner.stop(this.#run)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }
}

/** `record`: what the store has of it; undefined where it has nothing yet. */
export function infoOf(
  name: string,
  record: ViewRecord | undefined,
  run: ViewRun | undefined,
  durableLsn: number,
): ViewInfo {
  const standing = record?.standing ?? "clearing"
  const position = standing === "clearing" ? 0 : (record?.position ?? 0)
  return {
    name,
    state: run?.isAlive === true ? stateOf(standing) : "stopped",
    from: record?.from ?? run?.definition.from ?? [],
    position,
    lag: run?.lag ?? Math.max(0, durableLsn - position),
    progress: record === undefined ? 0 : progressOf(record),
    error: record?.error,
  }
}

function stateOf(standing: ViewStanding): ViewState {
  return standing === "clearing" || standing === "removing" ? "building" : standing
}
