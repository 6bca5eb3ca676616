// What the engine tells of itself while it runs: one event for each turn in a store's life, for operators, the audit log
// and diagnostics. Never one for a record or a batch. Data only.

import type { OrreryError } from "../model/errors.ts"
import type { RecoveryReport } from "../recovery/report.ts"
import type { Alert } from "./alert-rules.ts"
import type { CheckpointReport } from "./checkpoint-report.ts"
import type { StoreState } from "./store-status.ts"

export type EngineEvent =
  /** The log was recovered: at open, or after it had failed. */
  | { readonly kind: "recovered"; readonly report: RecoveryReport }
  /** The store can do something else from now on. `reason`: where that is not of the user's own making. */
  | { readonly kind: "status"; readonly state: StoreState; readonly reason: OrreryError | undefined }
  /** An actor crashed, and is up again; for the nth time. */
  | { readonly kind: "restarted"; readonly actor: string; readonly restarts: number }
  /** A checkpoint was made, or files were let go of. */
  | { readonly kind: "checkpointed"; readonly report: CheckpointReport }
  /** An attempt at a checkpoint failed; the next one by itself comes after this pause. Nothing is lost by it. */
  | { readonly kind: "checkpoint-failed"; readonly error: unknown; readonly retryMs: number }
  /** The worker thread of a checkpoint ended without an answer; its work is done again. */
  | { readonly kind: "worker-lost"; readonly checkpoint: number }
  /** Something wants an operator's attention, from now on or with another severity; or no more. */
  | { readonly kind: "alert-raised" | "alert-cleared"; readonly alert: Alert }
