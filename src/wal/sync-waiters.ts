// Who waits until the log is on stable storage up to a position.

import { CommitUnknown } from "../model/errors.ts"

interface SyncWaiter {
  readonly lsn: number
  readonly resolve: () => void
  readonly reject: (reason: unknown) => void
}

export class SyncWaiters {
  readonly #waiters: SyncWaiter[] = []

  get isEmpty(): boolean {
    return this.#waiters.length === 0
  }

  /** Resolves when the log is durable up to that position. Fails with: CommitUnknown. */
  wait(lsn: number): Promise<void> {
    return new Promise<void>((resolve, reject) => this.#waiters.push({ lsn, resolve, reject }))
  }

  resolve(durableLsn: number): void {
    for (let index = 0; index < this.#waiters.length;) {
      const waiter = this.#waiters[index]
      if (waiter !== undefined && waiter.lsn <= durableLsn) {
        this.#waiters.splice(index, 1)
        waiter.resolve()
      } else index++
    }
  }

  /** The log failed. */
  reject(reason: unknown): void {
    for (const waiter of this.#waiters.splice(0)) waiter.reject(new CommitUnknown(waiter.lsn, reason))
  }
}
