// I1 to I3, I5 to I7, I9, I10, I13: each actor is killed at each turn of a run of a store: here while it is written to and
// read along, and while it is closed; killed-actors-and-*.property.test.ts have other runs. All turns in which anything
// runs, not a sample. Whatever it was, everything that was acknowledged is there, in the running store and after a power
// cut; subscribers got exactly the log; every actor is up again, and none was restarted that the tree does not say.

import { describe } from "vitest"
import { OrreryError } from "../../src/model/errors.ts"
import type { KeepOptions } from "../../src/store/options.ts"
import { describeKills } from "./killed-actors.ts"
import type { Scenario } from "./killed-actors.ts"

/** Everything stays in the log, so that a subscriber that has to begin anew finds what it wants. */
const ALL_HISTORY: KeepOptions = { historyBytes: 1_000_000 }

const SCENARIOS: readonly Scenario[] = [
  {
    name: "while it is written to and read along",
    turnCountMin: 80,
    keep: ALL_HISTORY,
    run: async (run) => {
      // So that the monitor's tick comes in it.
      await run.pass(980)
      run.mark()
      run.subscribe()
      run.put("a", "k", "synced")
      run.put("b", "k", "written")
      run.put("a", "l", "memory")
      run.batch(["a/k", "b/m", "c/k"])
      await Promise.resolve()
      run.update("a", "k")
      run.delete("b", "first")
      await run.settled()
      run.put("c", "next segment", "synced", 3_500)
      await run.settled()
      await run.pass(25)
    },
  },
  {
    name: "while it is closed",
    turnCountMin: 10,
    keep: ALL_HISTORY,
    closes: true,
    run: async (run) => {
      run.put("a", "k", "synced")
      run.put("b", "k", "memory")
      run.batch(["a/l", "b/l"])
      run.mark()
      await run.store.close().catch((error: unknown) => {
        if (!(error instanceof OrreryError)) throw error
      })
      await run.settled()
    },
  },
]

describe.each(SCENARIOS)("fault 34: $name", describeKills)
