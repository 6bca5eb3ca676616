// What looks at commits on the turn in which they are made: constraints that may refuse them, and derived records that go
// into the same commit. Tables that no rule looks at are written without a look at the rules.

import type { Lsn } from "../model/lsn.ts"
import type { Operation } from "./commit-session.ts"

export interface WriteRule {
  /**
   * Sees a commit that writes to at least one table with `ruleCount` above zero, before anything of it is encoded, and
   * returns its operations: the same, or with further ones. What it throws refuses the commit. It may read; it must not
   * write, and must leave no trace: a later rule, or encoding, may still refuse the commit.
   */
  check(operations: readonly Operation[]): readonly Operation[]
  /** The commit is made and applied. Called on the same turn, with what the last `check` returned. Must not throw. */
  committed?(operations: readonly Operation[], lsn: Lsn): void
}

/** The rules of a store, in the order in which they see a commit. */
export class WriteRules {
  readonly #rules: WriteRule[] = []
  #constraintCount = 0

  /** From now on the rule sees commits to tables whose `ruleCount` its owner has raised. */
  add(rule: WriteRule): void {
    this.#rules.splice(this.#rules.length - this.#constraintCount, 0, rule)
  }

  /** The same for one that adds nothing: it sees what all the others have made of a commit. */
  addConstraint(rule: WriteRule): void {
    this.#rules.push(rule)
    this.#constraintCount++
  }

  /** Whether any rule has to see the commit. */
  concern(operations: readonly Operation[]): boolean {
    for (let index = 0; index < operations.length; index++) {
      if ((operations[index] as Operation).entry.ruleCount > 0) return true
    }
    return false
  }

  /** What is to be committed. Throws what a rule throws. */
  check(operations: readonly Operation[]): readonly Operation[] {
    let checked = operations
    for (const rule of this.#rules) checked = rule.check(checked)
    return checked
  }

  committed(operations: readonly Operation[], lsn: Lsn): void {
    for (const rule of this.#rules) rule.committed?.(operations, lsn)
  }
}
