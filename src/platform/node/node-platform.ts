// What the engine takes from outside, as this Node process gives it. Start-up counts: node:crypto takes 2 to 9 ms to
// load and is loaded by the first use, node:sqlite by the first lock.

import { hostname } from "node:os"
import { crc32 } from "node:zlib"
import type { Platform } from "../platform.ts"
import type { Random } from "../random.ts"
import { nodeClock } from "./node-clock.ts"
import { nodeDiagnostics } from "./node-diagnostics.ts"
import { nodeEventLoopMeter } from "./node-event-loop-meter.ts"
import { nodeFileSystem } from "./node-file-system.ts"

const nodeRandom: Random = {
  fill(target: Uint8Array): void {
    process.getBuiltinModule("node:crypto").randomFillSync(target)
  },
}

export const nodePlatform: Platform = {
  fileSystem: nodeFileSystem,
  clock: nodeClock,
  random: nodeRandom,
  checksum: crc32,
  diagnostics: nodeDiagnostics,
  eventLoop: nodeEventLoopMeter,
  identity: `pid ${process.pid} on ${hostname()}`,
  residentBytes(): number {
    return process.memoryUsage.rss()
  },
}
