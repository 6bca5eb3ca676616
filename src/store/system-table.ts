// Handles of the engine's own tables, for the parts of the store that keep something in them. Users get none.

import type { Catalogue } from "../table/catalogue.ts"
import { SYSTEM_TABLE_PREFIX } from "../model/system-tables.ts"
import { TableHandle } from "./table-handle.ts"
import type { TableContext } from "./table-context.ts"

/** The system table of this name, given without the prefix. What is written to it is `synced` unless a write says otherwise. */
export function systemTable<Value>(context: TableContext, catalogue: Catalogue, name: string): TableHandle<Value> {
  return new TableHandle<Value>(context, catalogue.entry(SYSTEM_TABLE_PREFIX + name), "synced", {})
}
