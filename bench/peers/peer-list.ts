// The peers by name. Each is loaded on demand, in the process that measures it.

import type { Peer } from "./peer.ts"

export type PeerName = "orrery" | "map" | "lmdb" | "classic-level" | "sqlite" | "json-lines" | "msgpackr-file"

type PeerModule = () => Promise<{ readonly peer: Peer }>

const modules: Readonly<Record<PeerName, PeerModule>> = {
  orrery: () => import("./orrery.ts"),
  map: () => import("./map.ts"),
  lmdb: () => import("./lmdb.ts"),
  "classic-level": () => import("./classic-level.ts"),
  sqlite: () => import("./sqlite.ts"),
  "json-lines": () => import("./append-file.ts"),
  "msgpackr-file": () => import("./msgpackr-file.ts"),
}

/** A peer cannot be used on this machine: not installed, or its native part does not load. */
export class PeerUnavailable extends Error {}

/** Fails with: PeerUnavailable. */
export async function loadPeer(name: PeerName): Promise<Peer> {
  try {
    return (await modules[name]()).peer
  } catch (error) {
    const reason = error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error)
    throw new PeerUnavailable(reason, { cause: error })
  }
}
