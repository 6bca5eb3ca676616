// I1, I2, I3, I4: the other half of acknowledged-writes-survive-a-crash.property.test.ts, from other seeds.

import { test } from "vitest"
import { exploreHalf } from "./crash-halves.ts"

test("every crash state of other histories recovers to such a prefix, too", () => exploreHalf(1), 3_600_000)
