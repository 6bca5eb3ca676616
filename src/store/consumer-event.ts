// What consumers and views tell of themselves, beside what the engine does: one event for each turn, never for a commit.

export type ConsumerEvent =
  /** It stands still: a commit cannot be processed, or the log does not reach back to its position. */
  | { readonly kind: "consumer-failed"; readonly consumer: string; readonly lsn: number; readonly error: unknown }
  /** It gave a commit up, and went on. */
  | {
      readonly kind: "consumer-dead-letter"
      readonly consumer: string
      readonly lsn: number
      readonly attempts: number
      readonly error: unknown
    }
  /** A view stands still: one of its functions has thrown, or given what cannot be kept. */
  | { readonly kind: "view-failed"; readonly view: string; readonly error: unknown }
