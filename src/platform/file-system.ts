// The one door to the operating system's files. The simulated disk implements exactly this, so nothing above may need
// more. Contracts only; `platform/node` holds the real one, `simulation` the other.
//
// Rules for callers:
// - One operation in flight a file: un-awaited writes on one handle came back reordered in 82 of 200 runs.
// - A failed data sync is never retried on the same file: the kernel may have dropped the pages (fsyncgate, 2018).
// - A new, renamed or removed name is durable only after `syncDirectory` of its directory.
// Errors are the operating system's own, with `code` ("ENOSPC", "EIO", …), `syscall` and `path` where known.

export type FileMode =
  /** Must exist; only reads. */
  | "read"
  /** Must exist; reads and writes. */
  | "write"
  /** Must not exist; reads and writes. */
  | "create"

export interface FileHandle {
  /** Reads up to `target.length` bytes at `position`. Returns how many; may be short; 0 only at the end of the file. */
  read(target: Uint8Array, position: number): Promise<number>
  /** Writes bytes at `position` into the page cache. Returns how many were taken; may be short, never 0. */
  write(source: Uint8Array, position: number): Promise<number>
  /** Like `write`, and returns only when these bytes are on stable storage (O_DSYNC). Says nothing of earlier writes. */
  writeSynced(source: Uint8Array, position: number): Promise<number>
  /** Puts everything written so far, and the size, on stable storage (fdatasync). */
  dataSync(): Promise<void>
  /** Cuts or extends (with zeros) to `size` bytes. */
  truncate(size: number): Promise<void>
  /** Size in bytes. */
  size(): Promise<number>
  /** Always closes, also after errors. Calling it twice is allowed. */
  close(): Promise<void>
}

export interface FileStat {
  readonly kind: "file" | "directory" | "other"
  readonly size: number
}

export interface DirectoryLock {
  /** Gives the directory free. Calling it twice is allowed. */
  release(): Promise<void>
}

/** What a failed `lock` says of the holder, as far as known: "pid 4711 on host a since 2026-…". */
export interface LockRefusal {
  readonly heldBy: string
}

export interface FileSystem {
  open(path: string, mode: FileMode): Promise<FileHandle>
  /** Replaces the target if there is one. */
  rename(source: string, target: string): Promise<void>
  /**
   * Gives a file a second name (a hard link): what is written through one is read through both, and the file is there as
   * long as one of them is. Fails with EEXIST where the target is there; with EXDEV, EPERM, ENOTSUP, EMLINK or ENOSYS
   * where the file system cannot, and a copy has to do.
   */
  link(source: string, target: string): Promise<void>
  unlink(path: string): Promise<void>
  /** Names in the directory, sorted. */
  list(path: string): Promise<readonly string[]>
  /** Undefined where there is nothing. */
  stat(path: string): Promise<FileStat | undefined>
  /** Creates the directory and missing parents, and makes their names durable. */
  makeDirectory(path: string): Promise<void>
  /** Removes an empty directory. Fails with ENOTEMPTY. */
  removeDirectory(path: string): Promise<void>
  syncDirectory(path: string): Promise<void>
  /**
   * Takes the exclusive lock of a directory, held until `release` or the death of the process, or says who holds it.
   * A killed owner's lock is free at once. Fails with code `EOPNOTSUPP` on a file system that cannot lock (NFS, SMB).
   */
  lock(directory: string, fileName: string): Promise<DirectoryLock | LockRefusal>
  /** Free bytes of the file system that holds the path; undefined where unknown. */
  freeBytes(path: string): Promise<number | undefined>
  /** All bytes of that file system, used or free; undefined where unknown. */
  totalBytes(path: string): Promise<number | undefined>
  /** Joins a directory and a file name. */
  join(directory: string, name: string): string
}
