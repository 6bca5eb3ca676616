// What is kept of a view, in system tables beside the table of its rows. docs/file-format.md has their content.

/** The system table of all views, and what the names of those of one view begin with: its own name follows. */
export const VIEWS = "views"
/** By record of a source, whose place in `from` follows: what it gives. */
export const VIEW_GIVEN = "view-given:"
/** By row: which records give it, or how many. */
export const VIEW_CLAIMS = "view-claims:"

/**
 * - `clearing`: rows of an earlier definition, or of a build that cannot be gone on with, are being removed.
 * - `building`: what is in the sources is being taken in.
 * - `ready`: the rows are those of the sources, a moment behind.
 * - `failed`: it stands still.
 * - `removing`: everything of it is to go.
 */
export type ViewStanding = "clearing" | "building" | "ready" | "failed" | "removing"

/** Kept under the view's name. */
export interface ViewRecord {
  readonly version: 1
  readonly standing: ViewStanding
  /** The definition that the rows are made by. */
  readonly mark: string
  readonly from: readonly string[]
  /** The changes up to here are in the rows. */
  readonly position: number
  /** For the how manieth time it is kept up. Whoever has a lower number has lost it. */
  readonly run: number
  /** How far the walk over the sources has got; undefined once it is over. */
  readonly walk: ViewWalk | undefined
  /** The end of the log when the walk was over: only behind it the rows are those of one state. */
  readonly builtLsn: number
  readonly error: string | undefined
}

/** A place in the sources: a source, a shard of so many, a place among its mixed hashes. */
export interface ViewWalk {
  readonly source: number
  readonly shard: number
  readonly shards: number
  readonly mixed: number
  /** In how many parts the mixed hashes are walked over (view-walk.ts). Undefined where it is not known any more. */
  readonly regions?: number
}

/** The end of all mixed hashes. */
export const MIXED_END = 0x1_0000_0000

/** How much of the walk is behind it, from 0 to 1. */
export function progressOf(record: ViewRecord): number {
  const { standing, walk, from } = record
  if (standing === "clearing") return 0
  if (walk === undefined) return 1
  const ofSource = (walk.shard + walk.mixed / MIXED_END) / walk.shards
  return (walk.source + ofSource) / Math.max(1, from.length)
}
