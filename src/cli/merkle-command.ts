// The Merkle root of a store's content: two stores that print the same one hold the same.

import { command, directoryArgument } from "./action.ts"
import type { AnyCommand } from "./action.ts"
import { countOf } from "./progress.ts"
import { withStore } from "./store-session.ts"

export const merkleCommand: AnyCommand = command(
  "merkle",
  "Prints the Merkle root of what the store holds, and the commit that it is of",
  { dir: directoryArgument },
  async ({ dir }, output) => {
    const root = await withStore(dir, (store) => store.merkleRoot())
    if (output.isJson) await output.document(root)
    else await output.line(`${root.root}  ${countOf(root.records, "record")}, behind LSN ${root.lsn}`)
    return undefined
  },
)
