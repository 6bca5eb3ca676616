// What is kept of a named consumer, in system tables, and what a dead letter is. docs/file-format.md has their content.

import type { Commit } from "../model/change.ts"

/** System tables: a record for each consumer, a mark for each commit of its own, and dead letters. */
export const CONSUMERS = "consumers"
export const CONSUMER_COMMITS = "consumer-commits"
export const DEAD_LETTERS = "dead-letters"

export type ConsumerStanding = "active" | "paused" | "failed"

/** Kept under the consumer's name. */
export interface ConsumerRecord {
  readonly version: 1
  readonly standing: ConsumerStanding
  /** Everything up to here was processed, passed over, or put among the dead letters. */
  readonly position: number
  /** The lease: who holds it, and for the how manieth time it was taken. Whoever has a lower number has lost it. */
  readonly run: number
  readonly owner: string
  /** How often the commit behind the position was tried without success. */
  readonly attempts: number
  /** What the last try, or the standstill, came from. */
  readonly error: string | undefined
  /** Dead letters that wait in the table of the engine. */
  readonly letters: number
}

/** A commit that a consumer gave up, under its name and LSN. */
export interface DeadLetter {
  readonly version: 1
  readonly consumer: string
  readonly lsn: number
  /** When the commit was made, and when it was given up, by the writer's wall clock. */
  readonly timeMs: number
  /** The commit's position, as the change stream gave it. */
  readonly cursor: string
  readonly failedMs: number
  readonly attempts: number
  /** The handler's last error. */
  readonly error: { readonly name: string; readonly message: string; readonly code: string | undefined }
  /** What the commit did, as far as the consumer was to see it; undefined where it is too large for a letter. */
  readonly changes: readonly LetterChange[] | undefined
}

export interface LetterChange {
  readonly kind: "put" | "delete"
  readonly table: string
  readonly key: string
  readonly value: unknown
}

/** The key of a consumer's record of a commit: its order is that of the LSNs. */
export function commitKey(consumer: string, lsn: number): string {
  return `${String(lsn).padStart(15, "0")}/${consumer}`
}

export function letterOf(
  consumer: string,
  commit: Commit,
  attempts: number,
  error: unknown,
  failedMs: number,
): DeadLetter {
  const { lsn, timeMs, cursor } = commit
  const changes = commit.changes.map(({ kind, table, key, value }) => ({ kind, table, key, value }))
  return { version: 1, consumer, lsn, timeMs, cursor, failedMs, attempts, error: describeError(error), changes }
}

/** The commit of a letter, as a handler gets it. Undefined where the letter does not hold it. */
export function commitOf({ lsn, timeMs, cursor, changes }: DeadLetter): Commit | undefined {
  if (changes === undefined) return undefined
  return {
    lsn: lsn as Commit["lsn"],
    timeMs,
    cursor,
    changes: changes.map((change) => ({ ...change, lsn: lsn as Commit["lsn"] })),
  }
}

/** What is kept of an error: texts. */
export function describeError(error: unknown): DeadLetter["error"] {
  if (!(error instanceof Error)) return { name: "not an Error", message: shortened(String(error)), code: undefined }
  const code = "code" in error && typeof error.code === "string" ? error.code : undefined
  return { name: shortened(error.name), message: shortened(error.message), code }
}

/** One line of it. */
export function errorText(error: unknown): string {
  const { name, message } = describeError(error)
  return `${name}: ${message}`
}

const TEXT_LENGTH_MAX = 1_000

function shortened(text: string): string {
  return (text.length <= TEXT_LENGTH_MAX ? text : `${text.slice(0, TEXT_LENGTH_MAX)}…`).toWellFormed()
}
