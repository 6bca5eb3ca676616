// What applications write by hand: a Map, and a file to which every batch is appended and synced. With JSON, a line a
// record; with msgpackr, records one after another, preceded by their length.

import { createReadStream } from "node:fs"
import { open } from "node:fs/promises"
import type { FileHandle } from "node:fs/promises"
import { join } from "node:path"
import { createInterface } from "node:readline"
import type { UserRecord } from "../workload.ts"
import type { Peer, PeerStore } from "./peer.ts"

type Entry = readonly [string, UserRecord]

/** The bytes of some records. */
export type EncodeEntries = (entries: readonly Entry[]) => string | Buffer

export class AppendFileStore implements PeerStore {
  readonly #map: Map<string, UserRecord>
  readonly #file: FileHandle
  readonly #encode: EncodeEntries

  constructor(file: FileHandle, map: Map<string, UserRecord>, encode: EncodeEntries) {
    this.#file = file
    this.#map = map
    this.#encode = encode
  }

  put(key: string, value: UserRecord): Promise<unknown> {
    return this.putMany([[key, value]])
  }

  async putMany(entries: readonly Entry[]): Promise<void> {
    for (const [key, value] of entries) this.#map.set(key, value)
    await this.#file.appendFile(this.#encode(entries))
    await this.#file.datasync()
  }

  get(key: string): UserRecord | undefined {
    return this.#map.get(key)
  }

  count(): number {
    return this.#map.size
  }

  close(): Promise<void> {
    return this.#file.close()
  }
}

/** A file of JSON lines, read into a Map when it is opened. */
export const peer: Peer = {
  title: "JSON lines and Map",
  durability: "after the data sync (append, fdatasync)",
  isAsynchronous: true,
  async open(directory) {
    const path = join(directory, "users.jsonl")
    const file = await open(path, "a")
    const map = new Map<string, UserRecord>()
    if ((await file.stat()).size > 0) {
      for await (const line of createInterface({ input: createReadStream(path, { highWaterMark: 1 << 20 }) })) {
        const [key, value] = JSON.parse(line) as [string, UserRecord]
        map.set(key, value)
      }
    }
    return new AppendFileStore(file, map, encodeLines)
  },
}

function encodeLines(entries: readonly Entry[]): string {
  let text = ""
  for (const entry of entries) text += `${JSON.stringify(entry)}\n`
  return text
}
