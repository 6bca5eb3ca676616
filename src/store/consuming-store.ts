// The part of a store that works off its own changes: named consumers and materialised views.

import type { Consumer, ConsumerInfo } from "./consumer.ts"
import type { BatchConsumeOptions, BatchHandler, CommitHandler, ConsumeOptions } from "./consumer-options.ts"
import type { Consumers } from "./consumers.ts"
import type { FoldDefinition, MapDefinition, ReduceDefinition } from "./view-definition.ts"
import type { View, ViewInfo } from "./view.ts"
import type { Views } from "./views.ts"

export abstract class ConsumingStore {
  protected abstract readonly consumption: Consumers
  protected abstract readonly viewing: Views

  /**
   * Processes durable commits, one after the other, each in a transaction that also moves the consumer's position: what
   * the handler writes through `tx` happens once for each commit, over crashes. What it does outside of the store may
   * happen again. A synchronous handler never conflicts; an asynchronous one is called anew where others were faster.
   *
   * The position is kept under the name, which only one consumer may run under at a time. A commit that the handler fails
   * at is tried again, later and later, and then goes to the dead letters. Its own commits are passed over.
   *
   * Fails with: TypeError, ConsumerRunning, LimitExceeded, StoreClosed.
   *
   * ```ts
   * const billing = store.consume("billing", (commit, tx) => {
   *   for (const { key, value } of commit.changes) tx.put(invoices, key, invoiceFor(value))
   * }, { table: orders, from: "beginning" })
   * ```
   */
  consume<Value = unknown>(name: string, handler: BatchHandler<Value>, options: BatchConsumeOptions<Value>): Consumer
  consume<Value = unknown>(
    name: string,
    handler: CommitHandler<Value>,
    options?: ConsumeOptions<Value> & { readonly batch?: never },
  ): Consumer
  consume<Value = unknown>(
    name: string,
    handler: CommitHandler<Value> | BatchHandler<Value>,
    options: ConsumeOptions<Value> = {},
  ): Consumer {
    return this.consumption.consume(name, handler as CommitHandler | BatchHandler, options)
  }

  /** A consumer that the store knows, whether it runs or not. Fails with: ConsumerUnknown. */
  consumer(name: string): Consumer {
    return this.consumption.consumer(name)
  }

  /** All consumers that the store knows, whether they run or not, by name. */
  consumers(): ConsumerInfo[] {
    return this.consumption.list()
  }

  /** Stops a consumer and forgets its position and its dead letters. False where there is none of that name. */
  removeConsumer(name: string): Promise<boolean> {
    return this.consumption.remove(name)
  }

  /**
   * Keeps a table up that follows from others: `map` gives rows for each record, `groupBy` with `add` and `remove` one row
   * for each group of records, `fold` rows that changes are folded into. The rows are a table of the view's name, which is
   * read and followed like any other; only the view writes to it, and does so with its position in one commit: after a
   * crash no change is missing and none counts twice. Another `version` has the rows made anew.
   *
   * The functions must depend on nothing but what they are given, and must not write to the store.
   *
   * Fails with: TypeError, ViewNameTaken, LimitExceeded, Restarting, StoreClosed.
   *
   * ```ts
   * const byCity = store.view("people per city", {
   *   from: users,
   *   groupBy: ({ value }) => value.city,
   *   initial: 0,
   *   add: (count) => count + 1,
   *   remove: (count) => count - 1,
   * })
   * await byCity.ready()
   * byCity.table.get("London")
   * ```
   */
  view<Value, Row>(name: string, definition: MapDefinition<Value, Row>): View<Row>
  view<Value, State, Part = Value>(name: string, definition: ReduceDefinition<Value, State, Part>): View<State>
  view<Value, State>(name: string, definition: FoldDefinition<Value, State>): View<State>
  view(name: string, definition: unknown): View {
    return this.viewing.view(name, definition)
  }

  /** All views that the store knows, whether they are kept up or not, by name. */
  views(): ViewInfo[] {
    return this.viewing.list()
  }

  /** Removes a view and its rows; the table is anybody's afterwards. False where there is none of that name. */
  removeView(name: string): Promise<boolean> {
    return this.viewing.remove(name)
  }

  /** Ends all that works off the store from within. Undefined where nothing does. */
  protected endUse(): Promise<unknown> | undefined {
    const ends = [this.consumption.close(), this.viewing.close()].filter((end) => end !== undefined)
    return ends.length === 0 ? undefined : Promise.all(ends)
  }
}
