// A bank on one table: accounts and their balances. Its transfer comes twice: as it is first written, with a mistake that
// no test of working code finds, and as it should be.

import type { Store, TableHandle } from "../../src/index.ts"

export type Balances = Readonly<Record<string, number>>

/** The account has not as much. Nothing was done. */
export class InsufficientFunds extends Error {
  override readonly name = "InsufficientFunds"
}

export class Bank {
  readonly #store: Store
  readonly #balances: TableHandle<number>

  constructor(store: Store) {
    this.#store = store
    this.#balances = store.table<number>("balances")
  }

  async deposit(account: string, amount: number): Promise<void> {
    await this.#balances.put(account, this.#balanceOf(account) + amount)
  }

  /** Each of the two puts is durable when it is acknowledged. The transfer is not: between them the money is gone. */
  async transferInTwoCommits(from: string, to: string, amount: number): Promise<void> {
    this.#checkFunds(from, amount)
    await this.#balances.put(from, this.#balanceOf(from) - amount)
    await this.#balances.put(to, this.#balanceOf(to) + amount)
  }

  /** One batch is one commit: recovered whole or not at all. */
  async transfer(from: string, to: string, amount: number): Promise<void> {
    this.#checkFunds(from, amount)
    await this.#store.batch((batch) => {
      batch.put(this.#balances, from, this.#balanceOf(from) - amount)
      batch.put(this.#balances, to, this.#balanceOf(to) + amount)
    })
  }

  balances(): Balances {
    return Object.fromEntries(this.#balances.entries())
  }

  close(): Promise<void> {
    return this.#store.close()
  }

  #balanceOf(account: string): number {
    return this.#balances.get(account) ?? 0
  }

  #checkFunds(account: string, amount: number): void {
    if (this.#balanceOf(account) < amount) throw new InsufficientFunds(`${account} has less than ${amount}`)
  }
}
