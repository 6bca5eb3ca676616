// The errors of materialised views; see errors.ts.

import { OrreryError } from "./errors.ts"

/** The table holds a view's rows, which nobody else writes. No trace. */
export class ViewReadOnly extends OrreryError {
  override readonly _tag = "ViewReadOnly"
  override readonly code = "ORRERY_VIEW_READ_ONLY"
  override readonly name = "ViewReadOnly"
  readonly view: string
  constructor(view: string) {
    super(
      `table "${view}" holds the rows of a view`,
      "Write to the tables that it is made of, or remove the view with removeView()",
    )
    this.view = view
  }
}

/** A view of this name is kept up already, or a table of this name has records of its own. */
export class ViewNameTaken extends OrreryError {
  override readonly _tag = "ViewNameTaken"
  override readonly code = "ORRERY_VIEW_NAME_TAKEN"
  override readonly name = "ViewNameTaken"
  readonly view: string
  constructor(view: string, reason: string) {
    super(`the name "${view}" is taken: ${reason}`, "Give the view another name")
    this.view = view
  }
}

/** A function of the view has thrown, or given what cannot be kept. It stands still. `cause`: what was thrown. */
export class ViewFailed extends OrreryError {
  override readonly _tag = "ViewFailed"
  override readonly code = "ORRERY_VIEW_FAILED"
  override readonly name = "ViewFailed"
  readonly view: string
  /** The record in hand: "table/key"; undefined where it was none of them. */
  readonly record: string | undefined
  constructor(view: string, record: string | undefined, reason: string, cause?: unknown) {
    super(
      `view "${view}" stands still${record === undefined ? "" : ` at record "${record}"`}: ${reason}`,
      "Mend its definition and give it another version, or call rebuild()",
      cause,
    )
    this.view = view
    this.record = record
  }
}
