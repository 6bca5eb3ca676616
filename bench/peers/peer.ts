// What a store must do to be measured: the one contract of the engine and of its peers. A peer's module is loaded only in
// the process that measures it, and says by throwing that it is not available here.

import { readFileSync } from "node:fs"
import type { UserRecord } from "../workload.ts"

export interface Peer {
  /** Its name and version. */
  readonly title: string
  /** When a put's promise resolves. */
  readonly durability: string
  /** False where its calls do their work before they return: while it runs, the event loop stands still. */
  readonly isAsynchronous: boolean
  /** What a reader of its figures must know. */
  readonly note?: string
  /** Opens what is in the directory, which exists. */
  readonly open: (directory: string) => Promise<PeerStore>
}

export interface PeerStore {
  put(key: string, value: UserRecord): Promise<unknown>
  /** All of them under one acknowledgement, in the way that the store is fastest. */
  putMany(entries: readonly (readonly [string, UserRecord])[]): Promise<unknown>
  get(key: string): UserRecord | undefined
  /** How many records there are, counted if the store does not know. */
  count(): number | Promise<number>
  close(): Promise<void>
}

/** The version of a package in bench/node_modules. */
export function versionOf(name: string): string {
  const file = new URL(`../node_modules/${name}/package.json`, import.meta.url)
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version
}

/**
 * Imports a package that need not be installed. Its types are not needed for a check of the project: callers state what
 * they use of it.
 */
export async function importPeer(name: string): Promise<unknown> {
  const specifier: string = name
  return import(specifier)
}
