// Checkers of recorded histories, and what records them, under one name: `check`, exported by orrery-db/testing. All of it
// is pure: no files, no clock, no database. See docs/checking-histories.md.

import { parseHistory } from "./check-history.ts"
import { linearizable } from "./check-linearizable.ts"
import { listAppend } from "./check-list-append.ts"
import { models } from "./check-models.ts"
import { Recorder } from "./check-recorder.ts"

export interface Check {
  readonly listAppend: typeof listAppend
  readonly linearizable: typeof linearizable
  /** Models for `linearizable`. */
  readonly models: typeof models
  /** A recorder of operations and results of the caller's kinds. */
  recorder<Operation = unknown, Result = unknown>(): Recorder<Operation, Result>
  readonly parseHistory: typeof parseHistory
}

/** Checkers of histories of any database. */
export const check: Check = {
  listAppend,
  linearizable,
  models,
  recorder: <Operation, Result>() => new Recorder<Operation, Result>(),
  parseHistory,
}
