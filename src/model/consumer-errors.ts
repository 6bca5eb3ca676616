// The errors of named consumers; see errors.ts.

import { OrreryError } from "./errors.ts"

/** A consumer of this name runs already: one instance a name at a time. */
export class ConsumerRunning extends OrreryError {
  override readonly _tag = "ConsumerRunning"
  override readonly code = "ORRERY_CONSUMER_RUNNING"
  override readonly name = "ConsumerRunning"
  readonly consumer: string
  constructor(consumer: string) {
    super(`consumer "${consumer}" runs already`, "Stop that one first, or give this one another name")
    this.consumer = consumer
  }
}

/** The store knows no consumer of this name, or has none of it running where a running one is needed. */
export class ConsumerUnknown extends OrreryError {
  override readonly _tag = "ConsumerUnknown"
  override readonly code = "ORRERY_CONSUMER_UNKNOWN"
  override readonly name = "ConsumerUnknown"
  readonly consumer: string
  constructor(consumer: string, reason: string, remedy: string) {
    super(`consumer "${consumer}" ${reason}`, remedy)
    this.consumer = consumer
  }
}

/** A commit could not be processed, and the consumer stands still in front of it. `cause`: the handler's last error. */
export class ConsumerFailed extends OrreryError {
  override readonly _tag = "ConsumerFailed"
  override readonly code = "ORRERY_CONSUMER_FAILED"
  override readonly name = "ConsumerFailed"
  readonly consumer: string
  /** The commit; 0 where it is the log behind the position that cannot be read. */
  readonly lsn: number
  readonly attempts: number
  constructor(consumer: string, lsn: number, attempts: number, reason: string, cause: unknown) {
    super(
      `consumer "${consumer}" stands still: ${reason}`,
      "Mend the cause, then call resume(), or rewind() to where it is to go on",
      cause,
    )
    this.consumer = consumer
    this.lsn = lsn
    this.attempts = attempts
  }
}
