// What the handles of a store's tables share: the parts of the store that their calls go to.

import type { MerkleProof } from "../merkle/merkle-proof.ts"
import type { ChangeStream } from "../streams/change-stream.ts"
import type { ChangesOptions } from "../streams/changes-options.ts"
import type { TableEntry } from "../table/catalogue.ts"
import type { Expiries } from "./expiries.ts"
import type { Version } from "./history.ts"
import type { IndexRegistry } from "./index-registry.ts"
import type { LiveQueries } from "./live-queries.ts"
import type { MerkleCallOptions } from "./options.ts"
import type { Reader } from "./reader.ts"
import type { VersionReader } from "./version-reader.ts"
import type { Writer } from "./writer.ts"

/** What a handle needs of its store. */
export interface TableContext {
  readonly writer: Writer
  readonly reader: Reader
  readonly versions: VersionReader
  readonly changes: (options: ChangesOptions) => ChangeStream
  readonly indexes: IndexRegistry
  readonly live: LiveQueries
  readonly expiries: Expiries
  readonly prove: (entry: TableEntry, key: string, options: MerkleCallOptions) => Promise<MerkleProof>
  history<Value>(entry: TableEntry, key: string, after: number | undefined): AsyncIterableIterator<Version<Value>>
}
