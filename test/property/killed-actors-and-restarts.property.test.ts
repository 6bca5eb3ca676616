// I1, I9, I13: each actor is killed at each turn of a run in which the log is started anew, because its writer was killed
// before: while writers wait in line, while the log is recovered, and while the others come up again. What holds is what
// killed-actors.ts checks.

import { describe } from "vitest"
import { describeKills } from "./killed-actors.ts"

describe("fault 34: while its log is started anew", () =>
  describeKills({
    name: "while its log is started anew",
    turnCountMin: 40,
    // So that a subscriber that has to begin anew finds what it wants.
    keep: { historyBytes: 1_000_000 },
    killedBefore: "store/log/wal-writer",
    run: async (run) => {
      run.subscribe()
      run.put("a", "k", "synced")
      run.put("b", "k", "memory")
      const killed = run.store.killActor("store/log/wal-writer", new Error("killed before"))
      run.mark()
      run.put("a", "l", "synced")
      run.batch(["a/k", "b/m", "c/k"])
      await killed
      run.update("b", "k")
      await run.settled()
      await run.store.ready()
    },
  }))
