// What a consumer may be asked for, and what becomes of it: every default filled in, everything else refused.

import type { Commit } from "../model/change.ts"
import type { Durability } from "../model/durability.ts"
import { checkTableName } from "../model/system-tables.ts"
import { durabilityFrom, integer, isBoolean, optional, record, show } from "./option-checks.ts"
import { TableView } from "./table-view.ts"
import type { Transaction } from "./transaction.ts"

/** Where a consumer is to stand: before everything that the log keeps, behind everything, or behind a commit. */
export type ConsumerPosition = "beginning" | "now" | number

export interface RetryOptions {
  /** How often a commit is tried, the first time included. Default 5. */
  readonly attempts?: number
  /** Milliseconds before the second try, at most; twice as long before each further one. Default 100. */
  readonly firstMs?: number
  /** The longest wait, in milliseconds. Default 30,000. */
  readonly mostMs?: number
}

export interface ConsumeOptions<Value = unknown> {
  /** Only this table's changes, by its name or as a handle. Default: those of all tables. */
  readonly table?: string | TableView<Value>
  /** Only keys that start with it. */
  readonly prefix?: string
  /** Where it begins, the first time that a consumer of this name is made; later its own position counts. Default "now". */
  readonly from?: ConsumerPosition
  /** Commits that one transaction processes, as many as are there; the handler then gets a list. Default: one, by itself. */
  readonly batch?: { readonly commits: number }
  readonly retry?: RetryOptions
  /**
   * Where a commit goes that was tried in vain: the name of a table, or true for one of the engine's, which `deadLetters`
   * reads. False: the consumer stands still in front of it. Default true.
   */
  readonly deadLetter?: string | boolean
  /** Whether it gets the commits that it made itself. Default false. */
  readonly own?: boolean
  /** How durable what it did must be before it goes on. Default: the store's. */
  readonly durability?: Durability
}

/** The same for handlers of lists. */
export interface BatchConsumeOptions<Value = unknown> extends ConsumeOptions<Value> {
  readonly batch: { readonly commits: number }
}

/** What a handler learns besides. */
export interface ConsumerContext {
  /** For the how manieth time these commits are tried, from 1. */
  readonly attempt: number
  /** Aborted when the consumer is stopped, paused or moved: what it does then is of no consequence. */
  readonly signal: AbortSignal
}

export type CommitHandler<Value = unknown> = (
  commit: Commit<Value>,
  transaction: Transaction,
  context: ConsumerContext,
) => void | Promise<void>

export type BatchHandler<Value = unknown> = (
  commits: readonly Commit<Value>[],
  transaction: Transaction,
  context: ConsumerContext,
) => void | Promise<void>

/** Options with every default filled in. */
export interface ConsumerSettings {
  readonly table: string | undefined
  readonly prefix: string | undefined
  readonly from: ConsumerPosition
  /** Undefined: the handler gets single commits. */
  readonly batch: number | undefined
  readonly retry: Required<RetryOptions>
  readonly deadLetter: string | boolean
  readonly own: boolean
  readonly durability: Durability
}

const BATCH_COMMITS_MAX = 100_000
const NAMES = ["table", "prefix", "from", "batch", "retry", "deadLetter", "own", "durability"]
const RETRY_DEFAULTS: Required<RetryOptions> = { attempts: 5, firstMs: 100, mostMs: 30_000 }
const NAME_SIZE_MAX = 200

/** Throws a TypeError. */
export function checkConsumerName(name: unknown): asserts name is string {
  if (typeof name !== "string" || name === "" || !name.isWellFormed()) {
    throw new TypeError(`the name of a consumer must be a well-formed string that is not empty, not ${show(name)}`)
  }
  if (Buffer.byteLength(name) > NAME_SIZE_MAX) {
    throw new TypeError(`the name of a consumer must not be longer than ${NAME_SIZE_MAX} bytes`)
  }
}

/** Throws a TypeError that names the option, what it was given, and what it takes. */
export function consumerSettingsFrom(options: unknown, durability: Durability): ConsumerSettings {
  const given = record("options", options, NAMES)
  const retry = record("retry", given["retry"] ?? {}, Object.keys(RETRY_DEFAULTS))
  const firstMs = integer("retry.firstMs", retry["firstMs"], RETRY_DEFAULTS.firstMs, 0, 3_600_000, "milliseconds")
  const most = Math.max(RETRY_DEFAULTS.mostMs, firstMs)
  return {
    table: tableFrom(given["table"]),
    prefix: optional("prefix", given["prefix"], "string", isText),
    from: given["from"] === undefined ? "now" : consumerPositionFrom("from", given["from"]),
    batch: batchFrom(given["batch"]),
    retry: {
      attempts: integer("retry.attempts", retry["attempts"], RETRY_DEFAULTS.attempts, 1, 1_000_000),
      firstMs,
      mostMs: integer("retry.mostMs", retry["mostMs"], most, firstMs, 86_400_000, "milliseconds"),
    },
    deadLetter: deadLetterFrom(given["deadLetter"]),
    own: optional("own", given["own"], "boolean", isBoolean) ?? false,
    durability: durabilityFrom("durability", given["durability"]) ?? durability,
  }
}

/** Throws a TypeError. */
export function consumerPositionFrom(name: string, value: unknown): ConsumerPosition {
  if (value === "beginning" || value === "now") return value
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value
  throw new TypeError(`${name} must be "beginning", "now" or an LSN, not ${show(value)}`)
}

function tableFrom(value: unknown): string | undefined {
  if (value === undefined) return undefined
  const name = value instanceof TableView ? value.name : value
  checkTableName(name)
  return name
}

function batchFrom(value: unknown): number | undefined {
  if (value === undefined) return undefined
  const { commits } = record("batch", value, ["commits"])
  if (commits === undefined) throw new TypeError("batch takes the number of commits: { commits: 100 }")
  return integer("batch.commits", commits, 1, 1, BATCH_COMMITS_MAX)
}

function deadLetterFrom(value: unknown): string | boolean {
  if (value === undefined) return true
  if (typeof value === "boolean") return value
  checkTableName(value)
  return value
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value.isWellFormed()
}
