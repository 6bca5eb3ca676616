// What a supervision tree tells the outside: one event for each turn in a child's life, for metrics, status and an audit
// trail. Guarantees: events of one tree come in the order in which its supervisors acted. Data only.

interface Occurrence {
  /** The child, from the root: "store/shards/shard-3". */
  readonly path: string
  /** By the monotonic clock of the tree. */
  readonly atMs: number
  /** How many lives of this child have begun since the tree started, this one included. */
  readonly incarnation: number
}

export type SupervisionEvent =
  /** A life began. */
  | (Occurrence & { readonly kind: "started" })
  /** It is initialised; the next sibling may start. */
  | (Occurrence & { readonly kind: "ready" })
  /** It is ready, and is not the first life of this child. Follows `ready`. */
  | (Occurrence & { readonly kind: "restarted" })
  /** It failed, before or after it was ready. `suppressed`: what failed besides, such as finalizers. */
  | (Occurrence & {
      readonly kind: "crashed"
      readonly cause: unknown
      readonly suppressed: readonly unknown[]
      readonly willRestart: boolean
    })
  /** It ended by itself, in order. */
  | (Occurrence & { readonly kind: "exited"; readonly willRestart: boolean })
  /** Its supervisor stopped it. `suppressed`: what failed in stopping. */
  | (Occurrence & { readonly kind: "stopped"; readonly suppressed: readonly unknown[] })
  /** It did not end within its shutdown time and was left behind. */
  | (Occurrence & { readonly kind: "abandoned" })
  /** The supervisor at this path gave up because of `child`. */
  | (Occurrence & { readonly kind: "escalated"; readonly child: string; readonly cause: unknown })

/** Must not throw: like an event handler in OTP, a listener that does is not called again. */
export type SupervisionListener = (event: SupervisionEvent) => void

/** An event without where and when. */
export type Unaddressed<Event = SupervisionEvent> = Event extends SupervisionEvent
  ? Omit<Event, keyof Occurrence>
  : never
