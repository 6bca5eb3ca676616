// Value digests that never change: a root that was written down would not be found again otherwise.

import { expect, test } from "vitest"
import { merkleValueDigest } from "../../src/index.ts"

test.each([
  ["undefined", undefined, "570c0f7fa07ebb3c7ad727d0a0f5b7ffacd31fc86459c7cf35cad2c463cd56f8"],
  ["a number", 1.5, "b26b8f8dc5cb50de802284700da33807bfffe7fdaddec986f641951e59a4e8b0"],
  ["a string", "Zoë", "f2556d8795c7d82aa9e4bb7ac39f70c3e94f70ed0b79a09e87c70a22539d3876"],
  [
    "an object",
    { name: "Ada", address: { city: "London", codes: [1, 2, 3] } },
    "c0fd513f3901585afeeadb09ee10466850993c95307acd712af361ca087aa1fe",
  ],
  [
    "an object without a prototype",
    Object.assign(Object.create(null) as object, { a: 1 }),
    "c50c8feee698667e2c7501f911cac902fe63cccfff5b93b568cce64316a7b2f0",
  ],
  [
    "a Map",
    new Map<unknown, unknown>([["k", { a: 1 }]]),
    "58fb9c9444f786bcf8b85befbc52b69c3f0b1d22f29974369a4bc7e2072a074d",
  ],
  ["an empty object", {}, "7e71ce8ff79952c95c8d32e96e293b4c6d97eda61c18c3d2a79f6ac7e253fc7c"],
])("the digest of %s is what it always was", (_, value, digest) => {
  expect(merkleValueDigest(value)).toBe(digest)
})
