// Seeded bugs of checkpoints and of the manifest: what they hold, when they count, and what goes on the strength of them.

import type { Mutant } from "./mutant.ts"

const SURVIVE = "test/property/checkpoints-survive-a-crash.property.test.ts"
const EQUALS_LIVE = "test/property/checkpointed-state-equals-live-state.property.test.ts"
const CHECKPOINT_FILE = "test/checkpoint/checkpoint-file.test.ts"
const MANIFEST_COPIES = "test/recovery/manifest-copies.test.ts"

const WRITER = "src/checkpoint/checkpoint-writer.ts"
const READER = "src/checkpoint/checkpoint-reader.ts"
const MANIFEST = "src/checkpoint/manifest-file.ts"
const ACTOR = "src/actors/checkpointer-actor.ts"
const TABLE = "src/table/table.ts"
const DEFERRED = "test/table/deferred-records.test.ts"

export const checkpointMutants: readonly Mutant[] = [
  {
    name: "checkpoint-not-synced",
    file: WRITER,
    find: "await this.#handle.dataSync()\n      await this.#handle.close()\n      const info",
    replace: "await this.#handle.close()\n      const info",
    story: "The log goes on the strength of a checkpoint that is in the page cache only.",
    tests: [SURVIVE],
  },
  {
    name: "checkpoint-name-not-synced",
    file: WRITER,
    find: "await fileSystem.syncDirectory(path)\n      return info",
    replace: "return info",
    story: "The log goes on the strength of a checkpoint whose name a power cut takes away.",
    tests: [SURVIVE],
  },
  {
    name: "checkpoint-read-back-and-not-believed",
    file: WRITER,
    find: "const info = await verifyCheckpoint(this.#directory, checkpoint, CHECKPOINT_NEW_FILE, pace)",
    replace:
      "const info = await verifyCheckpoint(this.#directory, checkpoint, CHECKPOINT_NEW_FILE, pace).catch(() => this.#measured)",
    story: "The log goes on the strength of a checkpoint that the disk has garbled.",
    tests: [CHECKPOINT_FILE],
  },
  {
    name: "old-checkpoint-goes-before-the-new-is-named",
    file: WRITER,
    find: "await fileSystem.rename(\n        fileSystem.join(path, CHECKPOINT_NEW_FILE),",
    replace:
      "await fileSystem.unlink(fileSystem.join(path, checkpointFile(checkpoint - 1))).catch(() => undefined)\n      await fileSystem.rename(\n        fileSystem.join(path, CHECKPOINT_NEW_FILE),",
    story: "A crash between the two leaves a log without its beginning and no checkpoint.",
    tests: [SURVIVE],
  },
  {
    name: "checkpoint-of-what-is-not-durable",
    file: ACTOR,
    find: "const through = log.durableLsn\n    this.#takesThroughLsn",
    replace: "const through = log.endLsn\n    this.#takesThroughLsn",
    story: "A checkpoint holds commits that a power cut takes out of the log: the store is refused.",
    tests: ["test/faults/checkpoints.test.ts"],
  },
  {
    name: "log-of-a-kept-checkpoint-goes",
    file: ACTOR,
    find: "let bytes = await log.truncate(lsnOf(oldest.throughLsn))",
    replace: "let bytes = await log.truncate(lsnOf(this.#kept.at(-1)?.throughLsn ?? 0))",
    story: "The log goes up to the newest checkpoint: when that one rots, the one before leads nowhere.",
    tests: ["test/faults/checkpoints.test.ts", "test/store/checkpoint-retention.test.ts"],
  },
  {
    name: "one-checkpoint-too-few-is-kept",
    file: "src/actors/checkpoint-plan.ts",
    find: "let first = kept.length - keepCount",
    replace: "let first = kept.length - keepCount + 1",
    story: "One checkpoint fewer is kept than the rules say: the fallback is not there.",
    tests: ["test/store/checkpoint-retention.test.ts"],
  },
  {
    name: "open-segment-told-as-sealed",
    file: "src/recovery/fold-job.ts",
    find: "sealed: job.extents.slice(0, -1),",
    replace: "sealed: job.extents,",
    story:
      "The next recovery does not read the segment that was written to, nor what came into it after the checkpoint.",
    tests: [SURVIVE],
  },
  {
    name: "delete-lost-in-the-fold",
    file: "src/checkpoint/log-delta.ts",
    find: "(this.deleted.count > 0 && this.deleted.find(hash, words, at + 4, keySize) >= 0)",
    replace: "(this.deleted.count < 0 && this.deleted.find(hash, words, at + 4, keySize) >= 0)",
    story: "A record that was deleted comes back with the next checkpoint.",
    tests: [EQUALS_LIVE],
  },
  {
    name: "put-behind-a-delete-lost-in-the-fold",
    file: "src/checkpoint/log-delta.ts",
    find: "for (const table of this.tables) table?.put.drain(buffer)",
    replace: "for (const table of this.tables) if (table?.deleted.count === 0) table.put.drain(buffer)",
    story: "A table with a deletion loses the puts of the same frame.",
    tests: [EQUALS_LIVE],
  },
  {
    name: "last-records-lost-in-the-merge",
    file: "src/checkpoint/fold-checkpoint.ts",
    find: "for (; !scan.isAtEnd; scan.next()) {",
    replace: "for (; !scan.isAtEnd && this.#reader === undefined; scan.next()) {",
    story: "New records behind the last one of the checkpoint before are left out of the next.",
    tests: [EQUALS_LIVE],
  },
  {
    name: "checkpoint-block-not-checked",
    file: "src/format/checkpoint-block.ts",
    find: "return blockChecksum(bytes, at, header.payloadSize, place) === readU32(bytes, at + 4)",
    replace: "return place.checkpoint >= 0",
    story: "A checkpoint that has rotted is loaded as it is.",
    tests: [CHECKPOINT_FILE],
  },
  {
    name: "checkpoint-blocks-in-any-order",
    file: READER,
    find: "header.index === this.#index &&",
    replace: "",
    story: "A checkpoint with a block missing, doubled or swapped passes.",
    tests: [CHECKPOINT_FILE],
  },
  {
    name: "checkpoint-end-not-counted",
    file: READER,
    find: "header.payloadSize === END_PAYLOAD_SIZE && records === this.#records",
    replace: "header.payloadSize === END_PAYLOAD_SIZE",
    story: "A checkpoint that holds fewer records than it should passes.",
    tests: [CHECKPOINT_FILE],
  },
  {
    name: "one-manifest-copy",
    file: MANIFEST,
    find: "copy < MANIFEST_FILES.length",
    replace: "copy < 1",
    story:
      "The second copy is always the one of before: it names segments that are gone, and rot in the first ends the store.",
    tests: [MANIFEST_COPIES],
  },
  {
    name: "older-manifest-wins",
    file: MANIFEST,
    find: "read.generation > newest.generation",
    replace: "read.generation < newest.generation",
    story: "The older of the two copies counts: segments are looked for that were let go.",
    tests: [MANIFEST_COPIES],
  },
  {
    name: "manifest-named-before-its-sync",
    file: MANIFEST,
    find: "await writeFully(handle, bytes, 0, false)\n      await handle.dataSync()",
    replace: "await writeFully(handle, bytes, 0, false)",
    story: "After a power cut a copy of the manifest has its name and no bytes.",
    tests: [MANIFEST_COPIES],
  },
  {
    name: "manifest-name-not-synced",
    file: MANIFEST,
    find: "await fileSystem.rename(source, fileSystem.join(directory, file))\n    await fileSystem.syncDirectory(directory)",
    replace: "await fileSystem.rename(source, fileSystem.join(directory, file))",
    story: "Segments go while the manifest that lets them go may still be taken back by a power cut.",
    tests: [MANIFEST_COPIES, SURVIVE],
  },
  {
    name: "worker-believed-without-a-look",
    file: "src/recovery/fold-job.ts",
    find: "return head?.throughLsn === throughLsn && head.sizeBytes === sizeBytes",
    replace: "return head === undefined || head.sizeBytes >= 0",
    story: "The log goes on the strength of a checkpoint that a worker thread only says to have made.",
    tests: ["test/recovery/fold-job.test.ts"],
    only: "is true only of the checkpoint",
  },
  {
    name: "cut-fold-claims-the-whole",
    file: "src/checkpoint/fold-checkpoint.ts",
    find: "isCut ? delta.lastLsn : (input.throughLsn ?? delta.lastLsn)",
    replace: "input.throughLsn ?? delta.lastLsn",
    story: "A checkpoint that took a part of a long log says that it holds all of it.",
    tests: ["test/store/past.test.ts", "test/store/checkpoint-plan.test.ts", EQUALS_LIVE],
    only: "in several passes",
  },
  {
    name: "worker-believed-by-the-checkpointer",
    file: "src/actors/fold-runner.ts",
    find: "if (outcome !== undefined && (await isOutcomeTrue(outcome, job, this.#engine.settings.directory))) {",
    replace: "if (outcome !== undefined) {",
    story: "A worker thread that went mad says that there is a checkpoint, and the log goes.",
    tests: ["test/processes/checkpoint-worker.test.ts"],
    only: "say what is not true",
  },
  {
    name: "newer-format-opened",
    file: "src/format/manifest.ts",
    find: "if (formatVersion > FORMAT_VERSION)",
    replace: "if (formatVersion > FORMAT_VERSION + 1_000_000)",
    story: "A store of a newer version is opened, and what this one does not know is written over.",
    tests: [MANIFEST_COPIES],
  },
  {
    name: "unknown-flags-ignored",
    file: "src/format/manifest.ts",
    find: "if ((flags & ~FLAG_TRUNCATED) !== 0)",
    replace: "if (flags < 0)",
    story: "A store that uses what this version does not know is opened all the same.",
    tests: [MANIFEST_COPIES],
  },
  {
    name: "delete-of-what-is-not-entered",
    file: TABLE,
    find: "      index.ensure(mixed)\n      return this.#delete(words, at, lsnLow, lsnHigh)",
    replace: "      return",
    story: "A delete in the first second after opening finds nothing to delete, and the record is there again.",
    tests: [DEFERRED],
  },
  {
    name: "snapshot-counts-what-is-entered",
    file: TABLE,
    find: "this.#versions?.beginRun(this.count)",
    replace: "this.#versions?.beginRun(this.index.count)",
    story: "The size that a snapshot has leaves out the records that were not entered when it was taken.",
    tests: ["test/table/table-versions.test.ts"],
  },
  {
    name: "range-entered-up-to-its-last-memory",
    file: "src/table/deferred-records.ts",
    find: "number <= lastMemory; number++",
    replace: "number < lastMemory; number++",
    story: "Records where two ranges of a checkpoint meet in a block are not there after opening.",
    tests: [DEFERRED],
  },
]
