// I1, I14: each actor is killed at each turn of a run in which a store makes a checkpoint and lets go of log, while it is
// written to. What holds is what killed-actors.ts checks.

import { describe } from "vitest"
import { describeKills } from "./killed-actors.ts"

describe("fault 34: while it makes a checkpoint and lets go of log", () =>
  describeKills({
    name: "while it makes a checkpoint and lets go of log",
    turnCountMin: 100,
    keep: { checkpoints: 1 },
    run: async (run) => {
      run.put("a", "large", "synced", 3_500)
      run.put("b", "large", "synced", 3_500)
      await run.settled()
      run.mark()
      run.checkpoint()
      run.put("a", "k", "synced")
      await Promise.resolve()
      run.batch(["a/l", "b/l", "c/l"])
      run.update("a", "k")
      await run.settled()
    },
  }))
