// Seeded bugs of compressed values: reading that has no end, damage that passes, and readers who are forgotten.

import type { Mutant } from "./mutant.ts"

const NODE = "src/platform/node/node-compression.ts"
const VALUE = "src/format/value-compression.ts"
const VALUE_TEST = "test/format/value-compression.test.ts"

export const compressionMutants: readonly Mutant[] = [
  {
    name: "decompression-has-no-end",
    file: NODE,
    find: "      maxOutputLength: size,\n",
    replace: "",
    story: "A few damaged bytes unfold to as much memory as they like before anybody looks at their size.",
    tests: ["test/faults/decompression-bomb.test.ts"],
  },
  {
    name: "bytes-behind-a-compressed-frame-pass",
    file: NODE,
    find: " && engine.bytesWritten === frame.length",
    replace: "",
    story: "What somebody has put behind a compressed value is passed over, and told by nobody.",
    tests: ["test/platform/node-compression.test.ts"],
  },
  {
    name: "compressed-where-little-is-saved",
    file: VALUE,
    find: "if (compressedSize > size - (size >>> 3)) {",
    replace: "if (compressedSize > size) {",
    story: "Every read of a value pays for a compression that has saved next to nothing.",
    tests: [VALUE_TEST],
  },
  {
    name: "recovering-feed-forgets-compression",
    file: "src/streams/feed-change.ts",
    find: "new ShapeRegistry(this.#shapes.compression)",
    replace: "new ShapeRegistry()",
    story: "While the log recovers, changes that subscribers hold already cannot be read.",
    tests: ["test/streams/feed-change.test.ts"],
  },
]
