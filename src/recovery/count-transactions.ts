// How many transactions recovery has found in doubt, and how many decisions: the sizes of the system tables that hold
// them (docs/file-format.md, 'System tables'). Decodes nothing.

import { SYSTEM_TABLE_PREFIX } from "../model/system-tables.ts"
import type { Catalogue } from "../table/catalogue.ts"
import type { ShardTables } from "../table/shard-tables.ts"
import type { TransactionCounts } from "./report.ts"

/** Requires: nothing is noted in the shards that is not applied. */
export function countTransactions(catalogue: Catalogue, shards: readonly ShardTables[]): TransactionCounts {
  const countOf = (name: string): number => {
    const { id } = catalogue.entry(SYSTEM_TABLE_PREFIX + name)
    return shards.reduce((sum, shard) => sum + (shard.partition(id)?.table.count ?? 0), 0)
  }
  return {
    transactionsInDoubt: countOf("prepared"),
    transactionsCommitted: countOf("committed"),
    transactionsAborted: countOf("aborted"),
  }
}
