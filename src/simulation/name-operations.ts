// What the operations on names do to the page cache of a simulated disk, with the errors of POSIX; each returns the change
// that has to reach the medium.

import type { CreateChange, RenameChange, UnlinkChange } from "./disk-changes.ts"
import { normalPath } from "./disk-path.ts"
import type { DiskTree, TreePlace } from "./disk-tree.ts"
import { systemError } from "./system-error.ts"

/** Fails with: EEXIST, ENOENT, ENOTDIR. */
export function createName(tree: DiskTree, path: string, of: "file" | "directory"): CreateChange {
  const syscall = of === "file" ? "open" : "mkdir"
  const place = tree.placeOf(path, syscall)
  const entries = tree.changeDirectory(place.directory).entries
  if (entries.has(place.name)) throw systemError("EEXIST", syscall, path)
  const node = tree.nextNumber()
  if (of === "file") tree.changeFile(node)
  else tree.changeDirectory(node)
  entries.set(place.name, node)
  return { kind: "create", place, node, of }
}

/** Fails with: ENOENT, EISDIR, ENOTDIR. */
export function unlinkName(tree: DiskTree, path: string): UnlinkChange {
  const { place, node } = existing(tree, path, "unlink")
  if (tree.directory(node) !== undefined) throw systemError("EISDIR", "unlink", path)
  tree.changeDirectory(place.directory).entries.delete(place.name)
  return { kind: "unlink", place, node }
}

/** Fails with: ENOENT, ENOTDIR, ENOTEMPTY. */
export function removeDirectoryName(tree: DiskTree, path: string): UnlinkChange {
  const { place, node } = existing(tree, path, "rmdir")
  const directory = tree.directory(node)
  if (directory === undefined) throw systemError("ENOTDIR", "rmdir", path)
  if (directory.entries.size > 0) throw systemError("ENOTEMPTY", "rmdir", path)
  tree.changeDirectory(place.directory).entries.delete(place.name)
  return { kind: "unlink", place, node }
}

/** A further name for a file. Fails with: EEXIST, ENOENT, ENOTDIR, EPERM for a directory. */
export function linkName(tree: DiskTree, source: string, target: string): CreateChange {
  const { node } = existing(tree, source, "link")
  if (tree.directory(node) !== undefined) throw systemError("EPERM", "link", source)
  const place = tree.placeOf(target, "link")
  const entries = tree.changeDirectory(place.directory).entries
  if (entries.has(place.name)) throw systemError("EEXIST", "link", source)
  entries.set(place.name, node)
  return { kind: "create", place, node, of: "file" }
}

/**
 * Moves the name; `replaced` is the node that the target's name stood for. Undefined if both names are one.
 * Fails with: ENOENT, ENOTDIR, EISDIR, ENOTEMPTY, EINVAL.
 */
export function renameName(
  tree: DiskTree,
  source: string,
  target: string,
): { readonly change: RenameChange; readonly replaced: number | undefined } | undefined {
  const { place, node } = existing(tree, source, "rename")
  const targetPlace = tree.placeOf(target, "rename")
  const replaced = tree.directory(targetPlace.directory)?.entries.get(targetPlace.name)
  if (replaced === node) return undefined
  const of = tree.directory(node) === undefined ? "file" : "directory"
  if (of === "directory" && `${normalPath(target)}/`.startsWith(`${normalPath(source)}/`)) {
    throw systemError("EINVAL", "rename", source)
  }
  checkReplaced(tree, replaced, of, target)
  tree.changeDirectory(place.directory).entries.delete(place.name)
  tree.changeDirectory(targetPlace.directory).entries.set(targetPlace.name, node)
  const replaces = replaced !== undefined
  return { change: { kind: "rename", source: place, target: targetPlace, node, of, replaces }, replaced }
}

function checkReplaced(tree: DiskTree, replaced: number | undefined, of: "file" | "directory", target: string): void {
  if (replaced === undefined) return
  const directory = tree.directory(replaced)
  if (of === "file" && directory !== undefined) throw systemError("EISDIR", "rename", target)
  if (of === "directory" && directory === undefined) throw systemError("ENOTDIR", "rename", target)
  if (directory !== undefined && directory.entries.size > 0) throw systemError("ENOTEMPTY", "rename", target)
}

function existing(tree: DiskTree, path: string, syscall: string): { readonly place: TreePlace; readonly node: number } {
  const place = tree.placeOf(path, syscall)
  const node = tree.directory(place.directory)?.entries.get(place.name)
  if (node === undefined) throw systemError("ENOENT", syscall, path)
  return { place, node }
}
