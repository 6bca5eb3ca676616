// The value of one key, followed: what it is behind the last durable commit, and after each change. Made by `table.watch`.

import { LiveNode } from "./live-node.ts"
import type { LiveHost } from "./live-node.ts"
import type { SourceChange } from "./live-row.ts"

export class LiveWatch<Value = unknown> extends LiveNode<Value | undefined> {
  /** What is shown; undefined where the key is not there. */
  #row: { readonly value: unknown; readonly version: number } | undefined = undefined
  #loading: { readonly value: unknown; readonly version: number } | undefined = undefined

  constructor(host: LiveHost, table: string, key: string) {
    super(host, [{ table, key, prefix: "" }])
  }

  /** The value; undefined where there is none, and before it is ready. */
  override get result(): Value | undefined {
    return this.#row?.value as Value | undefined
  }

  override get rowCount(): number {
    return this.#row === undefined ? 0 : 1
  }

  override known(_source: number, _key: string, version: number): { readonly value: unknown } | undefined {
    return this.#row?.version === version ? this.#row : undefined
  }

  override publish(): void {}

  protected override loadedKeys(): Iterable<string> {
    return []
  }

  protected override prepare(): void {
    this.#loading = undefined
  }

  protected override take(_source: number, _key: string, value: unknown, version: number): void {
    this.#loading = { value, version }
  }

  protected override complete(behind: readonly SourceChange[]): void {
    this.#row = this.#loading
    this.#loading = undefined
    this.step(behind)
  }

  protected override concerns(): boolean {
    return true
  }

  protected override step(changes: readonly SourceChange[]): void {
    for (const { isThere, value, version } of changes) this.#row = isThere ? { value, version } : undefined
  }
}
