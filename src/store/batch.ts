// An atomic batch: operations on any tables, collected first, then committed as one.

import type { Operation } from "./commit-session.ts"
import { TableHandle } from "./table-handle.ts"
import type { TableContext } from "./table-context.ts"
import type { TtlOptions } from "./table-options.ts"
import { ttlOptionsFrom } from "./expiries.ts"

/** Collects operations. Valid only during the function that it was given to. */
export interface Batch {
  put<Value>(table: TableHandle<Value>, key: string, value: Value, options?: TtlOptions): void
  delete(table: TableHandle<never> | TableHandle, key: string): void
}

export class BatchBuilder implements Batch {
  readonly #operations: (Operation | Promise<Operation>)[] = []
  readonly #context: TableContext
  #isOpen = true

  /** `context`: that of the store's handles. */
  constructor(context: TableContext) {
    this.#context = context
  }

  put<Value>(table: TableHandle<Value>, key: string, value: Value, options: TtlOptions = {}): void {
    this.#check(table)
    const ttl = ttlOptionsFrom(options)
    const validated = table.validated(key, value)
    if (validated instanceof Promise) {
      const operation = validated.then((result) => table.insertion(key, result, ttl))
      // Met by `finish`; until then nobody listens.
      operation.catch(() => undefined)
      this.#operations.push(operation)
    } else this.#operations.push(table.insertion(key, validated, ttl))
  }

  delete(table: TableHandle<never> | TableHandle, key: string): void {
    this.#check(table)
    this.#operations.push(table.deletion(key))
  }

  /** No more operations are taken. */
  end(): void {
    this.#isOpen = false
  }

  /** What was collected; waits where a schema is asynchronous. */
  async operations(): Promise<readonly Operation[]> {
    const operations: Operation[] = []
    for (const operation of this.#operations)
      operations.push(operation instanceof Promise ? await operation : operation)
    return operations
  }

  /** What was collected, if no schema is asynchronous. */
  get settled(): readonly Operation[] | undefined {
    const settled = this.#operations.filter((operation): operation is Operation => !(operation instanceof Promise))
    return settled.length === this.#operations.length ? settled : undefined
  }

  #check(table: unknown): void {
    if (!this.#isOpen) {
      throw new TypeError("the batch has ended: add to it only within the function that it was given to")
    }
    if (!(table instanceof TableHandle)) {
      throw new TypeError("the first argument must be a table, as store.table(name) gives it")
    }
    if (!table.isOf(this.#context)) {
      throw new TypeError(`the table "${table.name}" is another store's: a batch is of one store`)
    }
  }
}
