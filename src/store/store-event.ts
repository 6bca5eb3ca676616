// The turns in a store's life, for those who watch over it: told to `store.events()`, to the diagnostics channels of the
// process and to the audit log, by one hub. Listeners must not throw.

import type { EngineEvent } from "../actors/engine-event.ts"
import type { OrreryError } from "../model/errors.ts"
import type { Clock } from "../platform/clock.ts"
import type { Diagnostics } from "../platform/diagnostics.ts"
import type { RecoveryReport } from "../recovery/report.ts"
import { observeEvents } from "../streams/event-observable.ts"
import type { EventSource } from "../streams/event-observable.ts"
import type { BackupReport } from "./backup.ts"
import type { ConsumerEvent } from "./consumer-event.ts"
import type { AlertOptions } from "./options.ts"

type Occurrence =
  | EngineEvent
  | ConsumerEvent
  /** The store is open. `owner`: the process. */
  | { readonly kind: "opened"; readonly owner: string; readonly recovery: RecoveryReport }
  /** A backup of the store is whole. */
  | { readonly kind: "backed-up"; readonly report: BackupReport }
  /** A snapshot was forgotten without having been closed, and closed now. `place`: the stack of the call that took it. */
  | { readonly kind: "snapshot-leaked"; readonly lsn: number; readonly place: string }
  /** A prepared transaction has waited long for its decision: the option `prepared.warnMs`. Told once, and at each open. */
  | { readonly kind: "in-doubt"; readonly id: string; readonly ageMs: number }
  /** One was aborted because nobody has decided it for so long: the option `prepared.abortMs`. */
  | { readonly kind: "presumed-aborted"; readonly id: string; readonly ageMs: number; readonly lsn: number }
  /** The audit log cannot be written. Told once, until it can be; the store itself is as well as its status says. */
  | { readonly kind: "audit-failed"; readonly error: unknown }
  /** Nobody owns the directory any more. `reason`: why the store gave up; undefined where its user closed it. */
  | { readonly kind: "closed"; readonly reason: OrreryError | undefined }

/** One turn in a store's life; `timeMs` by the wall clock. */
export type StoreEvent = Occurrence & { readonly timeMs: number }

/** Names of the diagnostics channels: "orrery:opened", "orrery:checkpointed", … */
const CHANNEL_PREFIX = "orrery:"

/** Tells every listener of every event, in the order in which things happened. */
export class EventHub implements EventSource<StoreEvent> {
  readonly #path: string
  readonly #clock: Clock
  readonly #diagnostics: Diagnostics
  readonly #listeners: Set<(event: StoreEvent) => void> = new Set()
  readonly #end: PromiseWithResolvers<void> = Promise.withResolvers()

  constructor(path: string, clock: Clock, diagnostics: Diagnostics) {
    this.#path = path
    this.#clock = clock
    this.#diagnostics = diagnostics
  }

  get ended(): Promise<void> {
    return this.#end.promise
  }

  listen(listener: (event: StoreEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  emit(occurrence: Occurrence): void {
    const event: StoreEvent = { ...occurrence, timeMs: this.#clock.wallMs() }
    for (const listener of this.#listeners) listener(event)
    this.#diagnostics.publish(`${CHANNEL_PREFIX}${event.kind}`, { path: this.#path, event })
  }

  /** No more will come. */
  end(): void {
    this.#end.resolve()
    this.#listeners.clear()
  }
}

/** Tells a user's function of alerts. What it throws is met as an uncaught exception, as that of any subscriber is. */
export function tellAlerts(events: EventHub, onAlert: NonNullable<AlertOptions["onAlert"]>): void {
  observeEvents(events).subscribe((event) => {
    if (event.kind === "alert-raised") onAlert(event.alert, "raised")
    else if (event.kind === "alert-cleared") onAlert(event.alert, "cleared")
  })
}
