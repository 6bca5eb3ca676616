// A Map and a file of records that msgpackr packed, with shared structures: the fastest codec of the registry.

import { open } from "node:fs/promises"
import { join } from "node:path"
import type { UserRecord } from "../workload.ts"
import { AppendFileStore } from "./append-file.ts"
import { importPeer, versionOf } from "./peer.ts"
import type { Peer } from "./peer.ts"

interface MsgpackrModule {
  readonly Packr: new (options: { readonly structures: unknown[] }) => { pack(value: unknown): Buffer }
}

const { Packr } = (await importPeer("msgpackr")) as MsgpackrModule

export const peer: Peer = {
  title: `msgpackr ${versionOf("msgpackr")} file and Map`,
  durability: "after the data sync (append, fdatasync)",
  isAsynchronous: true,
  async open(directory) {
    const packr = new Packr({ structures: [] })
    const encode = (entries: readonly (readonly [string, UserRecord])[]): Buffer => {
      const parts: Buffer[] = []
      for (const entry of entries) {
        const packed = packr.pack(entry)
        const length = Buffer.allocUnsafe(4)
        length.writeUInt32LE(packed.length)
        parts.push(length, packed)
      }
      return Buffer.concat(parts)
    }
    return new AppendFileStore(await open(join(directory, "users.msgpack"), "a"), new Map(), encode)
  },
}
