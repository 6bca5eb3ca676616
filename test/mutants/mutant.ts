// A mutant: a durability bug, as data. A run of the tests with ORRERY_MUTANT=<name> has it in one source file; the file
// on the disk, and what is published, never have it.

export interface Mutant {
  readonly name: string
  /** The source file that it is in, from the project's folder. */
  readonly file: string
  /** A piece of that file, which is there exactly once, and what stands in its place. */
  readonly find: string
  readonly replace: string
  /** What the bug does to its user. */
  readonly story: string
  /** Test files, one of which must notice. */
  readonly tests: readonly string[]
  /** A piece of the names of those tests in them that are enough, where the others take long. */
  readonly only?: string
}

/** The source with the bug in it. Throws where the source has changed and the mutant with it makes no sense any more. */
export function mutate(source: string, { name, file, find, replace }: Mutant): string {
  const count = source.split(find).length - 1
  if (count !== 1) throw new Error(`the mutant "${name}" is stale: what it replaces is ${count} times in ${file}`)
  return source.replace(find, () => replace)
}
