// Rows by `groupBy`, `add` and `remove`: one for each group that has records. Beside the rows are kept, by record, its group
// and the part that was added, to be taken back; and by group, how many records it has: a group without any has no row,
// whatever its state came to.

import type { ReduceDefinition } from "./view-definition.ts"
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
  readonly #groups: Map<string, Group> = new Map()

  /** `copy`: of the initial state, which a function may change. `given`: one for each source. */
  constructor(
    definition: ReduceDefinition<unknown, unknown, unknown>,
    copy: (value: unknown) => unknown,
    rows: StagedTable,
    counts: StagedTable,
    given: readonly StagedTable[],
  ) {
    this.#definition = definition
    this.#copy = copy
    this.#rows = rows
    this.#counts = counts
    this.#given = given
  }

  /** A record is as it is now, or gone. */
  set(source: number, table: string, key: string, value: unknown, isThere: boolean): void {
    const { groupBy, part, add, remove } = this.#definition
    const given = this.#given[source]
    if (given === undefined) return
    const before = given.get(key) as Given | undefined
    const record = { table, key, value }
    const id = isThere ? groupBy(record) : undefined
    if (before !== undefined) {
      const group = this.#group(before[0])
      group.state = remove(group.state, before[1])
      group.count--
    }
    if (id === undefined) {
      if (before !== undefined) given.delete(key)
      return
    }
    const added = part === undefined ? value : part(record)
    given.put(key, [id, added])
    const group = this.#group(id)
    group.state = add(group.state, added)
    group.count++
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

  #group(id: string): Group {
    let group = this.#groups.get(id)
    if (group === undefined) {
      const count = (this.#counts.get(id) as number | undefined) ?? 0
      group = { state: count === 0 ? this.#copy(this.#definition.initial) : this.#rows.get(id), count }
      this.#groups.set(id, group)
    } else if (group.count === 0) group.state = this.#copy(this.#definition.initial)
    return group
  }
}
