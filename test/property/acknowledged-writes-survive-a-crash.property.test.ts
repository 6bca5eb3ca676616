// I1, I2, I3, I4: whatever a crash leaves on the disk, recovery finds the state behind some prefix of the commits that
// holds every one that was acknowledged as synced, each commit whole or not at all; and a crash inside that recovery
// changes nothing of it. crash-exploration.ts says how; the other half of the histories has a file of its own.

import { test } from "vitest"
import { exploreHalf } from "./crash-halves.ts"

test("every crash state recovers to a prefix that holds every acknowledged write", () => exploreHalf(0), 3_600_000)
