// Puts a mutant into its file while vitest loads it. ORRERY_MUTANT_SEEN names a file that receives a line when that has
// happened: a mutant that no test loads is not one that no test notices.

import { appendFileSync } from "node:fs"
import { join } from "node:path"
import { mutate } from "./mutant.ts"
import type { Mutant } from "./mutant.ts"

const root = join(import.meta.dirname, "..", "..")

/** A plugin for vite. */
export interface MutantPlugin {
  readonly name: string
  readonly enforce: "pre"
  transform(source: string, id: string): string | undefined
}

export function mutantPlugin(mutant: Mutant): MutantPlugin {
  const path = join(root, mutant.file)
  return {
    name: "orrery-mutant",
    // Before types are stripped: what is replaced is the source as it was written.
    enforce: "pre",
    transform(source, id) {
      if (id.split("?")[0] !== path) return undefined
      const mutated = mutate(source, mutant)
      noteSeen(mutant)
      return mutated
    },
  }
}

/** Says that the mutant is in force somewhere. */
export function noteSeen({ name }: Mutant): void {
  const file = process.env["ORRERY_MUTANT_SEEN"]
  if (file !== undefined) appendFileSync(file, `${name}\n`)
}
