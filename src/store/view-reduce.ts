// Rows by `groupBy`, `add` and `remove`: one for each group that has records. Beside the rows are kept, by record, its group
// and the part that was added, to be taken back; and by group, how many records it has: a group without any has no row,
// whatever its state came to.

import type { StoredRecords } from "./stored-records.ts"
import type { ReduceDefinition, SourceChange } from "./view-definition.ts"
import type { StagedTable } from "./view-stage.ts"

interface Group {
  state: unknown
  count: number
}

type Given = readonly [group: string, part: unknown]

export class ReduceRows {
  readonly #definition: ReduceDefinition<unknown, unknown, unknown>
  readonly #copy: (value: unknown) => unknown
  readonly #rows: StagedTable
  readonly #counts: StagedTable
  readonly #given: readonly StagedTable[]
  /** What records gave before, of those that are taken in together. */
  readonly #found: StoredRecords
  readonly #groups: Map<string, Group> = new Map()

  /** `copy`: of the initial state, which a function may change. `given`: one for each source. */
  constructor(
    definition: ReduceDefinition<unknown, unknown, unknown>,
    copy: (value: unknown) => unknown,
    rows: StagedTable,
    counts: StagedTable,
    given: readonly StagedTable[],
    found: StoredRecords,
  ) {
    this.#definition = definition
    this.#copy = copy
    this.#rows = rows
    this.#counts = counts
    this.#given = given
    this.#found = found
  }

  /** These records of a source are taken in next, one by one. */
  look(source: number, keys: readonly string[]): void {
    this.#given[source]?.look(this.#found, keys)
  }

  /** A record is as it is now, or gone, and comes once. `place`: where its key stands among those that were looked for. */
  set(source: number, { table, key, value, kind }: SourceChange<unknown>, place: number): void {
    const { groupBy, part, add } = this.#definition
    const given = this.#given[source]
    if (given === undefined) return
    const before = this.#found.value(place) as Given | undefined
    const record = { table, key, value }
    const id = kind === "put" ? groupBy(record) : undefined
    if (id === undefined) {
      if (before === undefined) return
      this.#remove(this.#group(before[0]), before[1])
      given.appendDelete(key)
      return
    }
    const added = part === undefined ? value : part(record)
    // Nothing that counts has changed: taking it back and adding it again would come to the same.
    if (before?.[0] === id && isPrimitive(added) && Object.is(before[1], added)) return
    const group = this.#group(id)
    if (before !== undefined) this.#remove(before[0] === id ? group : this.#group(before[0]), before[1])
    if (group.count === 0) group.state = this.#copy(this.#definition.initial)
    group.state = add(group.state, added)
    group.count++
    given.append(key, [id, added])
  }

  /** Writes the groups that were touched. */
  finish(): void {
    for (const [id, { state, count }] of this.#groups) {
      if (count > 0) {
        this.#rows.put(id, state)
        this.#counts.put(id, count)
      } else {
        this.#rows.delete(id)
        this.#counts.delete(id)
      }
    }
  }

  #remove(group: Group, part: unknown): void {
    group.state = this.#definition.remove(group.state, part)
    group.count--
  }

  /** The state of a group without records is of no meaning. */
  #group(id: string): Group {
    let group = this.#groups.get(id)
    if (group === undefined) {
      const count = (this.#counts.get(id) as number | undefined) ?? 0
      group = { state: count === 0 ? undefined : this.#rows.get(id), count }
      this.#groups.set(id, group)
    }
    return group
  }
}

function isPrimitive(value: unknown): boolean {
  return value === null || (typeof value !== "object" && typeof value !== "function")
}
