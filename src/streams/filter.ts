// What a subscription wants to see. Those who want the same share one: see router.ts.

import type { KIND_DELETE, KIND_PUT } from "../format/record.ts"
import type { TableEntry } from "../table/catalogue.ts"

export interface Filter {
  /** Undefined: every table of users. The table may be defined later. */
  readonly table: TableEntry | undefined
  /** Bytes that the key begins with, in UTF-8; empty: every key. */
  readonly prefix: Uint8Array
  /** Undefined: every key. Else sorted, each once, and the prefix is empty. */
  readonly keys?: readonly string[] | undefined
  /** Undefined: puts and deletes. */
  readonly kind?: typeof KIND_PUT | typeof KIND_DELETE | undefined
}
