// Node's diagnostics channels. Loaded with the first message: a tenth of a millisecond that importing need not pay.

import type { Diagnostics } from "../diagnostics.ts"

export const nodeDiagnostics: Diagnostics = {
  publish(channel: string, message: object): void {
    // Node meets what a subscriber throws as an uncaught exception of its own, not as ours.
    process.getBuiltinModule("node:diagnostics_channel").channel(channel).publish(message)
  },
}
