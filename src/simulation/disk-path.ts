// Paths of the simulated disk: names joined by "/", all below one root. "a/b", "/a/b", "./a//b" and "/x/../a/b" are one.

/** Paths whose names are remembered: a disk is asked for the same few again and again. */
const REMEMBERED_COUNT_MAX = 1024
const remembered = new Map<string, readonly string[]>()

/** The names of the path from the root down. */
export function namesIn(path: string): readonly string[] {
  const known = remembered.get(path)
  if (known !== undefined) return known
  const names = splitPath(path)
  if (remembered.size === REMEMBERED_COUNT_MAX) remembered.clear()
  remembered.set(path, names)
  return names
}

/** The path in the one form that the disk reports. */
export function normalPath(path: string): string {
  return `/${namesIn(path).join("/")}`
}

/** The directory above. The root is above itself. */
export function parentPath(path: string): string {
  return `/${namesIn(path).slice(0, -1).join("/")}`
}

function splitPath(path: string): readonly string[] {
  const names: string[] = []
  for (const name of path.split("/")) {
    if (name === "" || name === ".") continue
    if (name === "..") names.pop()
    else names.push(name)
  }
  return names
}
