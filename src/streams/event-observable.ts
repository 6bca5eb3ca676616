// Rare events for RxJS: pushed to whoever is subscribed at the moment, without memory. For the turns in a store's life;
// commits have a stream of their own, which loses nothing.

import { Observable } from "rxjs/internal/Observable"

/** Where events come from. */
export interface EventSource<Event> {
  /** Calls the listener with every event from now on, until the function that it returns is called. */
  listen(listener: (event: Event) => void): () => void
  /** Settles when no more will come. */
  readonly ended: Promise<void>
}

/** An RxJS Observable. */
export type EventStream<Event> = Observable<Event>

/** Completes when the source has ended. */
export function observeEvents<Event>(source: EventSource<Event>): EventStream<Event> {
  return new Observable((subscriber) => {
    void source.ended.then(() => subscriber.complete())
    return source.listen((event) => subscriber.next(event))
  })
}
