// Puts lines of JSON into a store, many a commit and several commits on their way at once. Guarantees: when it ends well
// everything is on stable storage; where it fails, the commits before the failed one are there, in the lines' order.

import { createReadStream, statSync } from "node:fs"
import * as Argument from "effect/cli/Argument"
import { OrreryError } from "../model/errors.ts"
import { nodePlatform } from "../platform/node/node-platform.ts"
import type { Store } from "../store/store.ts"
import { checkTable, command, directoryArgument, switchFlag, textArgument, textFlag } from "./action.ts"
import type { AnyCommand } from "./action.ts"
import { parseLine } from "./change-lines.ts"
import type { LineChange } from "./change-lines.ts"
import { CommandFailure, reportOf } from "./failure.ts"
import { countOf, countText, durationText, Progress } from "./progress.ts"
import { withStore } from "./store-session.ts"
import { textLines } from "./text-lines.ts"

/** Changes, and bytes of their lines, in a commit. */
const COMMIT_CHANGES_MAX = 1_000
const COMMIT_BYTES_MAX = 1024 * 1024
/** Commits on their way at once: enough to share syncs. */
const COMMITS_UNDER_WAY_MAX = 8

export const loadCommand: AnyCommand = command(
  "load",
  "Puts records from lines of JSON, as dump prints them",
  {
    dir: directoryArgument,
    file: textArgument("file", "A file, or - for standard input").pipe(Argument.withDefault("-")),
    create: switchFlag("create", "Make the store where there is none"),
    table: textFlag("table", "name", "Puts all records into this table, whatever their lines say"),
  },
  async ({ dir, file, create, table }, output) => {
    if (table !== undefined) checkTable(table)
    const { source, totalBytes } = sourceOf(file)
    const { clock } = nodePlatform
    try {
      const load = async (store: Store): Promise<Counts & { readonly durationMs: number }> => {
        const startMs = clock.monotonicMs()
        const counts = await new Load(store, totalBytes).run(source, table)
        return { ...counts, durationMs: clock.monotonicMs() - startMs }
      }
      const { puts, deletes, lastLsn, durationMs } = await withStore(dir, load, { create })
      if (output.isJson) await output.document({ puts, deletes, lastLsn, durationMs: Math.round(durationMs) })
      else {
        const rate = countText(Math.round(((puts + deletes) / Math.max(durationMs, 1)) * 1000))
        const removed = deletes === 0 ? "" : `, ${countOf(deletes, "delete")}`
        await output.line(`${countOf(puts, "record")}${removed} in ${durationText(durationMs)}, ${rate} a second`)
      }
      return undefined
    } finally {
      source.destroy()
    }
  },
  [{ command: "orrery dump ./old | orrery load --create ./new", description: "Copies the records of a store" }],
)

type Source = AsyncIterable<Uint8Array> & { destroy(): unknown }

/** What to read, and its size where that is known. */
function sourceOf(file: string): { readonly source: Source; readonly totalBytes: number } {
  if (file === "-") return { source: process.stdin, totalBytes: 0 }
  const { size } = statSync(file)
  return { source: createReadStream(file, { highWaterMark: 256 * 1024 }), totalBytes: size }
}

interface Counts {
  readonly puts: number
  readonly deletes: number
  readonly lastLsn: number
}

/** Lines that become one commit. */
interface Group {
  readonly changes: readonly LineChange[]
  readonly firstLine: number
  readonly lastLine: number
}

class Load {
  readonly #store: Store
  readonly #totalBytes: number
  readonly #progress: Progress
  readonly #underWay = new Set<Promise<void>>()
  #failure: CommandFailure | undefined
  #puts = 0
  #deletes = 0
  #lastLsn = 0

  constructor(store: Store, totalBytes: number) {
    this.#store = store
    this.#totalBytes = totalBytes
    this.#progress = new Progress("load", nodePlatform.clock)
  }

  async run(source: AsyncIterable<Uint8Array>, table: string | undefined): Promise<Counts> {
    try {
      let changes: LineChange[] = []
      let firstLine = 1
      let lastLine = 0
      let startBytes = 0
      for await (const { text, number, endBytes } of textLines(source)) {
        if (changes.length === 0) firstLine = number
        changes.push(changeOf(text, number, table))
        lastLine = number
        if (changes.length < COMMIT_CHANGES_MAX && endBytes - startBytes < COMMIT_BYTES_MAX) continue
        await this.#commit({ changes, firstLine, lastLine })
        startBytes = endBytes
        changes = []
        this.#progress.update(endBytes, this.#totalBytes, countOf(this.#puts + this.#deletes, "record"))
      }
      if (changes.length > 0) await this.#commit({ changes, firstLine, lastLine })
    } finally {
      await Promise.all(this.#underWay)
      this.#progress.end()
    }
    if (this.#failure !== undefined) throw this.#failure
    return { puts: this.#puts, deletes: this.#deletes, lastLsn: this.#lastLsn }
  }

  /** Begins the commit, and waits where too many are under way. */
  async #commit(group: Group): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    const written = this.#write(group).catch((error: unknown) => {
      this.#failure ??= failureOf(error, group)
    })
    this.#underWay.add(written)
    written.finally(() => this.#underWay.delete(written)).catch(() => undefined)
    while (this.#underWay.size >= COMMITS_UNDER_WAY_MAX) await Promise.race(this.#underWay)
  }

  async #write({ changes }: Group): Promise<void> {
    const { lsn } = await this.#store.batch((batch) => {
      const nowMs = nodePlatform.clock.wallMs()
      for (const { table, key, isDelete, value, expiresAtMs } of changes) {
        const handle = this.#store.table(table)
        if (isDelete) batch.delete(handle, key)
        else if (expiresAtMs === undefined) batch.put(handle, key, value)
        // One that is overdue is put all the same, and goes at once: what it overwrites must not stay.
        else batch.put(handle, key, value, { ttl: Math.max(expiresAtMs - nowMs, 1) })
      }
    })
    const deletes = changes.filter(({ isDelete }) => isDelete).length
    this.#puts += changes.length - deletes
    this.#deletes += deletes
    this.#lastLsn = Math.max(this.#lastLsn, lsn)
  }
}

function changeOf(text: string, line: number, table: string | undefined): LineChange {
  try {
    return parseLine(text, table)
  } catch (error) {
    if (!(error instanceof CommandFailure)) throw error
    throw new CommandFailure(error.code, `line ${line}: ${error.summary}`, error.remedy)
  }
}

/** Says which lines the commit was made of that failed. */
function failureOf(error: unknown, { firstLine, lastLine }: Group): CommandFailure {
  // Of what lines say, and is not known to be wrong before it is written: a deadline in a thousand years.
  if (error instanceof TypeError) {
    return new CommandFailure("LINE_REFUSED", `lines ${firstLine} to ${lastLine}: ${error.message}`, "Mend the line")
  }
  const { code, summary, remedy, exitCode } = reportOf(error)
  const fact = error instanceof OrreryError ? summary : `${summary} (${code})`
  return new CommandFailure(code, `lines ${firstLine} to ${lastLine}: ${fact}`, remedy, exitCode)
}
