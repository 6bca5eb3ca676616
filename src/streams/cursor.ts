// Cursors: a place in the log of one store, as a text that outlives the process and may be handed to anybody. The id of the
// store is in it, so that a cursor of another store, whose LSNs mean other commits, is refused and never misunderstood.
//
//   o1.<store id, 16 bytes in base64url>.<LSN in base 36>      everything up to there was delivered
//   o1.<store id, 16 bytes in base64url>.-                     a state that was being delivered, and was not whole yet
//
// A follower and a backup have the id of their store, and their LSNs mean the same; a restored store has an id of its own.

import { CursorRefused } from "../model/feed-errors.ts"
import { LSN_MAX } from "../model/limits.ts"
import { lsnOf } from "../model/lsn.ts"
import type { Lsn } from "../model/lsn.ts"

const VERSION = "o1"
const FORM = /^o1\.([\w-]{22})\.(-|[0-9a-z]{1,10})$/

export class Cursors {
  readonly #prefix: string
  /** Leads to the state anew: only a part of it was delivered. */
  readonly unfinished: string

  constructor(storeId: Uint8Array) {
    this.#prefix = `${VERSION}.${Buffer.from(storeId).toString("base64url")}.`
    this.unfinished = `${this.#prefix}-`
  }

  at(lsn: Lsn): string {
    return this.#prefix + lsn.toString(36)
  }

  /** The position; undefined for a cursor from the middle of a state. Fails with: CursorRefused. */
  positionOf(cursor: string): Lsn | undefined {
    const parts = FORM.exec(cursor)
    const lsn = parts === null || parts[2] === "-" ? 0 : Number.parseInt(parts[2] ?? "", 36)
    if (parts === null || lsn > LSN_MAX) {
      throw new CursorRefused(cursor, "is not one", "Use a cursor as a commit or a stream gave it")
    }
    if (!cursor.startsWith(this.#prefix)) {
      throw new CursorRefused(
        cursor,
        "belongs to another store",
        "Follow this store from a position of its own; one that was restored is another than the one before",
      )
    }
    return parts[2] === "-" ? undefined : lsnOf(lsn)
  }
}
