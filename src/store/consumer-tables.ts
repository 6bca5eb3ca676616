// What the store keeps of its consumers: their records, their dead letters, and marks on the commits that they made
// themselves, by which they pass over them.
//
// A mark is written by a rule, on the turn of the commit that it marks and into that commit, because only there its LSN is
// known. It is kept as long as the log keeps the commit: a consumer may be moved back to before it.

import type { Engine } from "../actors/engine.ts"
import { KIND_PUT } from "../format/record.ts"
import type { Operation } from "./commit-session.ts"
import type { ConsumerPosition } from "./consumer-options.ts"
import { commitKey, CONSUMER_COMMITS, CONSUMERS, DEAD_LETTERS } from "./consumer-record.ts"
import type { ConsumerRecord, DeadLetter } from "./consumer-record.ts"
import { systemTable } from "./system-table.ts"
import { TableHandle } from "./table-handle.ts"
import type { TableContext } from "./table-context.ts"
import type { WriteRule } from "./write-rule.ts"

/** What a running consumer wants to see of the feed. */
export interface OwnFilter {
  readonly own: boolean
  readonly table: string | undefined
  readonly prefix: string | undefined
}

/** Keys that are looked at on one turn. */
const SLICE = 1_024
/** Where the name begins in a key that `commitKey` makes. */
const NAME_START = 16

export class ConsumerTables implements WriteRule {
  readonly consumers: TableHandle<ConsumerRecord>
  readonly #letters: TableHandle<DeadLetter>
  readonly #marks: TableHandle<number>
  readonly #engine: Engine
  readonly #context: TableContext
  readonly #filterOf: (consumer: string) => OwnFilter | undefined
  #purgedTo = 0
  #isPurging = false

  /** `filterOf`: of the consumers that run. */
  constructor(engine: Engine, context: TableContext, filterOf: (consumer: string) => OwnFilter | undefined) {
    const { catalogue } = engine
    this.#engine = engine
    this.#context = context
    this.#filterOf = filterOf
    this.consumers = systemTable(context, catalogue, CONSUMERS)
    this.#letters = systemTable(context, catalogue, DEAD_LETTERS)
    this.#marks = systemTable(context, catalogue, CONSUMER_COMMITS)
    this.consumers.entry.ruleCount++
    context.writer.rules.add(this)
  }

  /** The table that dead letters go to. */
  lettersOf(deadLetter: string | boolean): TableHandle<DeadLetter> {
    if (typeof deadLetter !== "string") return this.#letters
    return new TableHandle<DeadLetter>(this.#context, this.#engine.catalogue.entry(deadLetter), "synced", {})
  }

  /** Whether the consumer made the commit itself. */
  isCommitOf(consumer: string, lsn: number): boolean {
    return this.#marks.has(commitKey(consumer, lsn))
  }

  /** The LSN that a position stands for at this moment. Fails with: Restarting. */
  lsnOf(position: ConsumerPosition): number {
    const { log, commit } = this.#engine
    if (typeof position === "number") return position
    if (log === undefined || commit === undefined) throw this.#engine.unavailable("the log")
    return position === "now" ? commit.lastLsn : log.oldestLsn - 1
  }

  check(operations: readonly Operation[]): readonly Operation[] {
    const { intake } = this.#engine
    if (intake === undefined) return operations
    const marks: Operation[] = []
    for (const { entry, key, kind } of operations) {
      if (entry !== this.consumers.entry || kind !== KIND_PUT) continue
      const filter = this.#filterOf(key)
      if (filter === undefined || filter.own || !operations.some((operation) => isSeen(operation, filter))) continue
      marks.push(this.#marks.insertion(commitKey(key, intake.nextLsn), 1))
    }
    return marks.length === 0 ? operations : [...operations, ...marks]
  }

  /** Lets go of marks on commits that the log has let go of. Goes on by itself, a little a turn. */
  purge(): void {
    const oldestLsn = this.#engine.log?.oldestLsn ?? 0
    if (this.#isPurging || oldestLsn <= this.#purgedTo) return
    this.#isPurging = true
    void this.#remove(this.#marks, (key) => Number(key.slice(0, NAME_START - 1)) < oldestLsn)
      .then(() => {
        this.#purgedTo = oldestLsn
      }, ignore)
      .finally(() => {
        this.#isPurging = false
      })
  }

  /** Removes all that there is of a consumer: its record last, so that what was cut off can be done again. */
  async remove(consumer: string): Promise<void> {
    const isOf = (key: string): boolean => key.slice(NAME_START) === consumer
    await this.#remove(this.#marks, isOf)
    await this.#remove(this.#letters, isOf)
    await this.consumers.delete(consumer)
  }

  /** The dead letters of a consumer, oldest commit first. */
  letters(consumer: string, deadLetter: string | boolean): DeadLetter[] {
    const letters: DeadLetter[] = []
    const table = this.lettersOf(deadLetter)
    for (const key of table.keys()) {
      const letter = key.slice(NAME_START) === consumer ? table.get(key) : undefined
      if (letter !== undefined) letters.push(letter)
    }
    return letters.sort((left, right) => left.lsn - right.lsn)
  }

  async #remove(
    table: TableHandle<never> | TableHandle<DeadLetter> | TableHandle<number>,
    isGone: (key: string) => boolean,
  ): Promise<void> {
    let gone: Operation[] = []
    let count = 0
    const write = async (): Promise<void> => {
      if (gone.length > 0) await this.#context.writer.write(gone, "written", undefined)
      gone = []
    }
    for (const key of table.keys()) {
      if (isGone(key)) gone.push(table.deletion(key))
      if (++count % SLICE !== 0) continue
      await write()
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#engine.clock.after(0, resolve)
      await promise
    }
    await write()
  }
}

function isSeen({ entry, key }: Operation, { table, prefix }: OwnFilter): boolean {
  return !entry.isSystem && (table === undefined || entry.name === table) && key.startsWith(prefix ?? "")
}

/** What could not be let go of now is so the next time. */
function ignore(): void {}
