// How a stream is read, by what was asked for: straight from a subscription, or through what goes before it (the state)
// and what is added to it (the values before). Each reader has a subscription of its own.

import type { Subscriber } from "rxjs/internal/Subscriber"
import type { Commit } from "../model/change.ts"
import { BeforeValues } from "./before-values.ts"
import type { ChangesOptions } from "./changes-options.ts"
import type { StreamReaders } from "./change-stream.ts"
import type { CommitSource } from "./commit-source.ts"
import type { FeedState, FeedStates } from "./feed-state.ts"
import type { Filter } from "./filter.ts"
import { Iteration } from "./iteration.ts"
import { Observation } from "./observation.ts"
import { StateFirst } from "./state-first.ts"
import type { SubscriptionHost, SubscriptionOptions } from "./subscription.ts"
import type { Lsn } from "../model/lsn.ts"

/** Throws a TypeError where states are wanted and there are none. */
export function readersOf(
  host: SubscriptionHost,
  { after, before, snapshot, visibility }: ChangesOptions,
  subscription: SubscriptionOptions,
  states: FeedStates | undefined,
): StreamReaders {
  const { counters, cursors } = host
  if (before !== true && snapshot !== true) {
    return {
      counters,
      pull: () => new Iteration(host, subscription),
      push: (subscriber) => {
        const observation = new Observation(host, subscription, subscriber)
        observation.start()
        return () => observation.close()
      },
    }
  }
  if (states === undefined) {
    throw new TypeError("snapshot and before are given by a store that is open for writing alone")
  }
  const { filter, signal } = subscription
  const iterate = (lsn: Lsn, state: FeedState | undefined, kind: Filter["kind"]): Iteration => {
    const own = { ...subscription, after: lsn, filter: { ...filter, kind } }
    if (state === undefined) return new Iteration(host, own)
    const iteration = new Iteration(host, { ...own, deliveredLsn: lsn })
    iteration.begin()
    return iteration
  }
  const follow = (lsn: Lsn, state: FeedState | undefined): CommitSource => {
    if (before !== true) {
      state?.close()
      return iterate(lsn, state, filter.kind)
    }
    // The types are sorted out behind it: the value before a put may come from a delete.
    const inner = iterate(lsn, state, undefined)
    return new BeforeValues(inner, states, cursors, filter.kind, lsn, state)
  }
  const isResumed =
    typeof after === "number" || (typeof after === "string" && after !== "now" && subscription.after > 0)
  const pull = (): CommitSource => {
    if (snapshot !== true) return follow(subscription.after, undefined)
    return new StateFirst({
      states,
      cursors,
      filter,
      after: isResumed ? subscription.after : undefined,
      reaches: (lsn) => (before === true ? states.hasStateAt(lsn) : states.hasCommitsAfter(lsn)),
      isDurable: visibility !== "applied",
      signal,
      follow,
    })
  }
  return { counters, pull, push: (subscriber) => pushFrom(pull(), subscriber) }
}

function pushFrom(source: CommitSource, subscriber: Subscriber<Commit>): () => void {
  const run = async (): Promise<void> => {
    try {
      for (;;) {
        const result = await source.next()
        if (subscriber.closed) return
        if (result.done === true) return subscriber.complete()
        subscriber.next(result.value)
      }
    } catch (reason) {
      subscriber.error(reason)
    }
  }
  void run()
  return () => source.close()
}
