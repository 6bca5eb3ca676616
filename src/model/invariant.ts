// Promises that the code makes to itself. A broken one is a bug, never an expected condition: it throws, a supervisor
// restarts the actor, nobody catches it. They stay on in production. `docs/invariants.md` numbers them.

/** A broken invariant: a defect in this engine, not in its use. */
export class InvariantViolation extends Error {
  readonly _tag = "InvariantViolation"
  readonly code = "ORRERY_INVARIANT"
  readonly remedy = "This is a defect in orrery-db: keep the directory as it is and report it with the message above."
  constructor(message: string) {
    super(`invariant broken: ${message}`)
    this.name = "InvariantViolation"
  }
}

/** Throws unless the condition holds. One fact a call, stated positively: `invariant(a < b, "I3: …")`. */
export function invariant(condition: boolean, message: string): asserts condition {
  if (!condition) throw new InvariantViolation(message)
}

const probesReached = new Map<string, number>()

/** Marks a rare branch that the property suite must reach (FoundationDB's CODE_PROBE). */
export function probe(name: string): void {
  probesReached.set(name, (probesReached.get(name) ?? 0) + 1)
}

/** How often each probe was reached since the process started, or `forgetProbes` was called. */
export function probes(): ReadonlyMap<string, number> {
  return probesReached
}

/** For tests that share a process: counts anew. */
export function forgetProbes(): void {
  probesReached.clear()
}
