// Puts the mutant that ORRERY_MUTANT names into every process and thread that Node starts with `--import` of this file:
// stories about real processes run the sources without vitest.

import { registerHooks } from "node:module"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { mutate } from "./mutant.ts"
import { noteSeen } from "./mutant-plugin.ts"
import { chosenMutant } from "./mutants.ts"

const mutant = chosenMutant(process.env)
if (mutant !== undefined) {
  const url = pathToFileURL(join(import.meta.dirname, "..", "..", mutant.file)).href
  registerHooks({
    load(wanted, context, nextLoad) {
      const loaded = nextLoad(wanted, context)
      if (wanted !== url || loaded.source === undefined || loaded.source === null) return loaded
      const source =
        typeof loaded.source === "string" ? loaded.source : Buffer.from(loaded.source as Uint8Array).toString()
      noteSeen(mutant)
      return { ...loaded, source: mutate(source, mutant) }
    },
  })
}
