// Seeded bugs above the log: first open, close, backups, restores, subscribers, and the tables in memory.

import type { Mutant } from "./mutant.ts"

const BACKUPS = "test/property/backups-and-restores-survive-a-crash.property.test.ts"
const EQUALS_A_MAP = "test/property/table-equals-a-map.property.test.ts"

const BACKUP = "src/store/backup.ts"
const REPLACEMENT = "src/recovery/replace-directory.ts"

export const storeMutants: readonly Mutant[] = [
  {
    name: "directory-name-not-made-durable",
    file: "src/store/store-directory.ts",
    find: 'if (found !== "store") await attempt',
    replace: 'if (found === "absent") await attempt',
    story: "A first open that was killed, opened again: the directory's own name was never synced, and all is gone.",
    tests: ["test/regressions/the-name-of-a-directory-is-lost.test.ts"],
  },
  {
    name: "lost-manifest-starts-afresh",
    file: "src/store/store-directory.ts",
    find: "await refuseLostManifest(platform, path, problems)",
    replace: "",
    story: "Both copies of the manifest are damaged, and a new store is begun over the old one.",
    tests: ["test/recovery/manifest-copies.test.ts"],
  },
  {
    name: "manifest-before-the-first-segment",
    file: "src/store/store-directory.ts",
    find: `  const first = await new SegmentFiles(log).prepare(1, SEGMENT_HEADER_SIZE, segmentBytes, fresh.createdMs)
  await first.handle.close()
  return {
    log,
    manifest: await replaceManifest(fileSystem, path, checksum, fresh),`,
    replace: `  const manifestMade = await replaceManifest(fileSystem, path, checksum, fresh)
  const first = await new SegmentFiles(log).prepare(1, SEGMENT_HEADER_SIZE, segmentBytes, fresh.createdMs)
  await first.handle.close()
  return {
    log,
    manifest: manifestMade,`,
    story: "A crash in the first open leaves a manifest without its segment, which is refused for ever.",
    tests: ["test/recovery/interrupted.test.ts"],
  },
  {
    name: "lock-released-before-the-seal",
    file: "src/store/store-life.ts",
    find: "await this.#engine.stop()\n      await this.#lock.release()",
    replace: "await this.#lock.release()\n      await this.#engine.stop()",
    story: "The next owner opens while this one is still writing its last frames.",
    tests: ["test/store/open.test.ts"],
    only: "gives the directory free",
  },
  {
    name: "close-does-not-flush",
    file: "src/actors/wal-writer-actor.ts",
    find: "await commit.flush().catch((error: unknown) => {",
    replace: "await commit.whenIdle().catch((error: unknown) => {",
    story: "Writes that were in memory when the store was closed, or the writer killed, are not in the log.",
    tests: ["test/property/store-equals-a-map.property.test.ts", "test/store/failures.test.ts"],
  },
  {
    name: "backup-manifest-before-its-checkpoint",
    file: BACKUP,
    find: "// What is there without the manifest was brought by a backup that did not come to its end.",
    replace: "if (before?.firstLsn !== lsn + 1) await moveOn(source, target, before)",
    story:
      "A crash in a backup leaves a manifest that leads to a checkpoint which is not there: the backup of before is lost.",
    tests: [BACKUPS],
  },
  {
    name: "backup-read-back-and-not-believed",
    file: "src/store/backup-checkpoint.ts",
    find: "const info = await verifyCheckpoint(target, number, CHECKPOINT_NEW_FILE, options.pace)",
    replace:
      "const info = await verifyCheckpoint(target, number, CHECKPOINT_NEW_FILE, options.pace).catch(() => checkpoint)",
    story: "A checkpoint that has rotted since it was made is backed up as good, and the good backup before it goes.",
    tests: ["test/store/backup-kept.test.ts"],
  },
  {
    name: "backup-lets-go-before-its-manifest",
    file: BACKUP,
    find: "const placed = await bringUpToDate(source, target, before, options)",
    replace: `for (const number of (options.keepDays ?? 0) === 0 ? await listCheckpoints(target) : []) {
      if ((await headOf(target, number))?.throughLsn !== source.lsn) await removeCheckpoint(target, number)
    }
    const placed = await bringUpToDate(source, target, before, options)`,
    story: "The backup of before goes before the new one counts.",
    tests: [BACKUPS],
  },
  {
    name: "restore-swap-not-synced",
    file: REPLACEMENT,
    find: "await fileSystem.rename(this.building, path)\n      await fileSystem.syncDirectory(above)",
    replace: "await fileSystem.rename(this.building, path)",
    story:
      "A restore has ended, the old store's files are removed, and a power cut takes back that the new one took its place.",
    tests: [BACKUPS],
    only: "a restore that is cut off",
  },
  {
    name: "restore-removes-the-old-store-first",
    file: REPLACEMENT,
    find: "await fileSystem.rename(path, path + REPLACED_SUFFIX)",
    replace:
      'await removeFiles(this.#platform, path, (name) => meaningOf(name)?.kind !== "lock")\n        await fileSystem.rename(path, path + REPLACED_SUFFIX)',
    story: "The old store is emptied before the new one has its place: a crash in between leaves neither.",
    tests: [BACKUPS],
    only: "a restore that is cut off",
  },
  {
    name: "gap-in-the-live-edge",
    file: "src/streams/live-edge.ts",
    find: "if (isNext && !this.isBusy) {",
    replace: "if (!this.isBusy) {",
    story: "A frame is handed on although those before it were not: a subscriber has a gap.",
    tests: ["test/streams/live-edge.test.ts"],
  },
  {
    name: "subscriber-joins-twice",
    file: "src/streams/subscription.ts",
    find: "topic !== this.#topic || batch.lastLsn <= this.#handedLsn",
    replace: "topic !== this.#topic",
    story: "Who goes live while a batch is handed on gets it again, out of the log and from memory.",
    tests: ["test/streams/observation.test.ts"],
  },
  {
    name: "compaction-moves-free-slots",
    file: "src/table/compaction.ts",
    find: "if (isFree) continue",
    replace: "",
    story: "Compaction takes a record that was overwritten meanwhile for one that is there.",
    tests: [EQUALS_A_MAP],
  },
  {
    name: "compaction-drops-what-it-moves",
    file: "src/table/compaction.ts",
    find: "else this.#index.move(mixed, address, target)",
    replace: "else if (size < 512) this.#index.move(mixed, address, target)",
    story: "A large record that compaction moved is looked for where it was.",
    tests: [EQUALS_A_MAP],
  },
  {
    name: "restore-not-proven",
    file: "src/store/restore.ts",
    find: 'if (verdict !== "good") {',
    replace: 'if (verdict === "torn tail") {',
    story: "A store that a bad disk garbled while it was restored takes the place of the old one.",
    tests: ["test/store/restore.test.ts"],
    only: "reads back otherwise",
  },
  {
    name: "salvage-takes-what-makes-no-sense",
    file: "src/recovery/salvage.ts",
    find: "commits.every((commit) => commit.problem === undefined)",
    replace: "commits.every((commit) => commit.lsn > 0)",
    story: "Commits whose records make no sense are salvaged with the others of their frame.",
    tests: ["test/recovery/salvage.test.ts"],
  },
  {
    name: "waiting-write-not-copied",
    file: "src/store/writer.ts",
    find: "return { ...operation, value: this.#copier.copy(operation.value) }",
    replace: "return operation",
    story: "A write that waits for the log stores what its value has become meanwhile.",
    tests: ["test/store/failures.test.ts"],
  },
  {
    name: "backup-over-a-store-in-use",
    file: BACKUP,
    find: "if (size <= SEGMENT_HEADER_SIZE) continue",
    replace: "if (size >= 0) continue",
    story: "A backup that was opened and written to as a store is backed up over: its own commits are gone.",
    tests: ["test/store/backup.test.ts", "test/store/backup-kept.test.ts"],
  },
  {
    name: "backup-over-a-later-state",
    file: BACKUP,
    find: "if (lsn > source.lsn) {",
    replace: "if (lsn > Number.MAX_VALUE) {",
    story: "The backup of a store that was put back to an earlier state replaces the later one.",
    tests: ["test/store/backup.test.ts", "test/store/backup-kept.test.ts"],
  },
  {
    name: "backup-over-another-store",
    file: BACKUP,
    find: "if (!Buffer.from(manifest.storeId).equals(source.manifest.storeId)) {",
    replace: "if (manifest.storeId.length === 0) {",
    story: "The backup of one store replaces that of another.",
    tests: ["test/store/backup.test.ts", "test/store/backup-kept.test.ts"],
  },
  {
    name: "newest-backup-goes-by-age",
    file: BACKUP,
    find: "let nextMs = newest.createdMs",
    replace: "let nextMs = Number.NEGATIVE_INFINITY",
    story: "An earlier backup that was the newest within the days to keep goes all the same.",
    tests: ["test/store/backup-kept.test.ts"],
  },
]
