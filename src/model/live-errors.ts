// The errors of live queries; see errors.ts.

import { OrreryError } from "./errors.ts"

/** A live query could not go on: a function that it was given threw, or its state could not be read. It has ended. */
export class QueryFailed extends OrreryError {
  override readonly _tag = "QueryFailed"
  override readonly code = "ORRERY_QUERY_FAILED"
  override readonly name = "QueryFailed"
  readonly table: string
  /** `cause`: what was thrown. */
  constructor(table: string, doing: string, remedy: string, cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    super(`the live query of table "${table}" failed while ${doing}: ${reason}`, remedy, cause)
    this.table = table
  }
}
