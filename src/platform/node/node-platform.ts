// What the engine takes from outside, as this Node process gives it. Start-up counts: node:crypto takes 2 to 9 ms to
// load and is loaded by the first use, node:sqlite by the first lock.

import { hostname } from "node:os"
import { crc32 } from "node:zlib"
import type { Sha256 } from "../../model/digest.ts"
import type { Platform } from "../platform.ts"
import type { Random } from "../random.ts"
import { nodeClock } from "./node-clock.ts"
import { nodeCompression } from "./node-compression.ts"
import { nodeDiagnostics } from "./node-diagnostics.ts"
import { nodeEventLoopMeter } from "./node-event-loop-meter.ts"
import { nodeFileSystem } from "./node-file-system.ts"
import { requireNode } from "./required-node.ts"

requireNode(process.versions.node)

let hash: typeof import("node:crypto").hash | undefined

const nodeRandom: Random = {
  fill(target: Uint8Array): void {
    process.getBuiltinModule("node:crypto").randomFillSync(target)
  },
}

/** Also without a platform: for what is computed and needs no store. */
export const nodeSha256: Sha256 = (bytes) => {
  hash ??= process.getBuiltinModule("node:crypto").hash
  // As a string, and from there into the pool of small buffers: half the time of a buffer of its own.
  return Buffer.from(hash("sha256", bytes, "binary"), "binary")
}

export const nodePlatform: Platform = {
  fileSystem: nodeFileSystem,
  clock: nodeClock,
  random: nodeRandom,
  checksum: crc32,
  sha256: nodeSha256,
  compression: nodeCompression,
  diagnostics: nodeDiagnostics,
  eventLoop: nodeEventLoopMeter,
  identity: `pid ${process.pid} on ${hostname()}`,
  residentBytes(): number {
    return process.memoryUsage.rss()
  },
}
