// Seeded bugs between the engine and the operating system: the node file system, its lock, and the loops over transfers.

import type { Mutant } from "./mutant.ts"

const FILE_SYSTEM_TEST = "test/platform/node-file-system.test.ts"

export const platformMutants: readonly Mutant[] = [
  {
    name: "node-synced-write-is-plain",
    file: "src/platform/node/node-file-handle.ts",
    find: "fs.constants.O_WRONLY | SYNCED_WRITE_FLAG",
    replace: "fs.constants.O_WRONLY",
    story: "On a real disk a synced write stays in the page cache: the power goes, and what was acknowledged with it.",
    tests: [FILE_SYSTEM_TEST],
  },
  {
    name: "node-data-sync-does-nothing",
    file: "src/platform/node/node-file-handle.ts",
    find: "fs.fdatasync(this.#descriptor, (error) => done(error))",
    replace: "done(null)",
    story: "On a real disk nothing that was written plainly is ever synced: checkpoints, manifests, prepared segments.",
    tests: [FILE_SYSTEM_TEST],
  },
  {
    name: "node-directory-sync-does-nothing",
    file: "src/platform/node/node-file-system.ts",
    find: "fs.fsync(descriptor, (error) => done(error))",
    replace: "done(null)",
    story: "On a real disk no name is durable: after a power cut new segments and manifests are not there.",
    tests: [FILE_SYSTEM_TEST],
  },
  {
    name: "node-close-overtakes-a-write",
    file: "src/platform/node/node-file-handle.ts",
    find: "if (this.#inFlightCount > 0) {",
    replace: "if (this.#inFlightCount > 1_000) {",
    story: "A write that is on its way goes to whatever file has got the closed descriptor's number meanwhile.",
    tests: [FILE_SYSTEM_TEST],
  },
  {
    name: "node-lock-is-shared",
    file: "src/platform/node/node-lock.ts",
    find: "BEGIN EXCLUSIVE; PRAGMA user_version = 1",
    replace: "BEGIN",
    story: "Two processes open the same directory and write over each other.",
    tests: ["test/platform/node-lock.test.ts"],
  },
  {
    name: "short-write-taken-for-whole",
    file: "src/platform/transfer.ts",
    find: "while (done < source.length) {",
    replace: "if (done < source.length) {",
    story: "The system took a part of a frame, and the rest is never written; the commit is acknowledged all the same.",
    tests: ["test/wal/file-log.test.ts"],
  },
  {
    name: "short-read-taken-for-the-end",
    file: "src/platform/transfer.ts",
    find: 'if (count === 0) break\n    done += count\n    if (done < target.length) probe("short read")',
    replace: "done += count\n    if (done > 0 || count === 0) break",
    story:
      "The system gave a part of what was asked, and recovery takes it for the end of the log: good frames are cut.",
    tests: ["test/wal/file-log.test.ts", "test/recovery/interrupted.test.ts"],
  },
  {
    name: "window-loses-its-last-unit",
    file: "src/platform/file-window.ts",
    find: "old.copy(this.bytes, 0, from, from + kept)",
    replace: "old.copy(this.bytes, 0, from, from + kept - 8)",
    story: "A frame that crosses the edge of the read window has 8 wrong bytes in it, and a good store is refused.",
    tests: ["test/recovery/recover.test.ts"],
  },
  {
    name: "copy-not-synced",
    file: "src/platform/transfer.ts",
    find: "await target.dataSync()\n  return done",
    replace: "return done",
    story: "A backup names a copied checkpoint whose bytes are in the page cache only.",
    tests: ["test/property/backups-and-restores-survive-a-crash.property.test.ts"],
    only: "a first backup of a store that is open",
  },
]
