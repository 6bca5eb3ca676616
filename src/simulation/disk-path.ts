// Paths of the simulated disk: names joined by "/", all below one root. "a/b", "/a/b", "./a//b" and "/x/../a/b" are one.

/** The names of the path from the root down. */
export function namesIn(path: string): readonly string[] {
  const names: string[] = []
  for (const name of path.split("/")) {
    if (name === "" || name === ".") continue
    if (name === "..") names.pop()
    else names.push(name)
  }
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
