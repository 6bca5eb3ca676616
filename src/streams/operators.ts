// RxJS operators for commits: what programs with a feed write again and again.

import { Observable } from "rxjs/internal/Observable"
import type { OperatorFunction } from "rxjs"
import type { Change, Commit } from "../model/change.ts"

/** Each change of each commit, by itself, in order. */
export function eachChange<Value>(): OperatorFunction<Commit<Value>, Change<Value>> {
  return (source) =>
    new Observable<Change<Value>>((subscriber) =>
      source.subscribe({
        next: ({ changes }) => {
          for (const change of changes) {
            // Whoever is told of a change may unsubscribe.
            if (subscriber.closed) return
            subscriber.next(change)
          }
        },
        error: (reason: unknown) => subscriber.error(reason),
        complete: () => subscriber.complete(),
      }),
    )
}

/**
 * The table that the commits add up to, by key: the same Map each time, emitted behind each commit, and with the option
 * `snapshot` first when the state is whole. For the commits of one table, without `types`.
 */
export function toTable<Value>(): OperatorFunction<Commit<Value>, ReadonlyMap<string, Value>> {
  return (source) =>
    new Observable<ReadonlyMap<string, Value>>((subscriber) => {
      const table = new Map<string, Value>()
      return source.subscribe({
        next: ({ changes, state }) => {
          if (state?.isFirst === true) table.clear()
          for (const { kind, key, value } of changes) {
            if (kind === "put") table.set(key, value as Value)
            else table.delete(key)
          }
          if (state === undefined || state.isLast) subscriber.next(table)
        },
        error: (reason: unknown) => subscriber.error(reason),
        complete: () => subscriber.complete(),
      })
    })
}
