// What the victim of test/processes/kill-at-every-call.test.ts writes, as plain data, so that its judge knows the state behind
// every commit of it.

/** The commits of one run. */
export const COMMITS = 14

/** Records that commit n writes; undefined for one that it deletes. */
export function changesOf(n: number): readonly (readonly [key: string, value: string | undefined])[] {
  const written = `${n} ${"x".repeat((n * 173) % 700)}`
  return [
    [`key ${n % 5}`, written],
    [`key ${(n + 2) % 5}`, n % 4 === 3 ? undefined : `${n} beside`],
  ]
}

/** The records behind commit n. */
export function contentBehind(n: number): ReadonlyMap<string, string> {
  const content = new Map<string, string>()
  for (let commit = 0; commit <= n; commit++) {
    for (const [key, value] of changesOf(commit)) {
      if (value === undefined) content.delete(key)
      else content.set(key, value)
    }
  }
  return content
}
