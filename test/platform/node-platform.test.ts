// What the process gives the engine besides files and time.

import { describe, expect, test } from "vitest"
import { nodePlatform } from "../../src/platform/node/node-platform.ts"

describe("the node platform", () => {
  test("its checksum is CRC-32, continued from a seed", () => {
    const bytes = new TextEncoder().encode("123456789")
    expect(nodePlatform.checksum(bytes, 0)).toBe(0xcbf43926)
    const head = nodePlatform.checksum(bytes.subarray(0, 4), 0)
    expect(nodePlatform.checksum(bytes.subarray(4), head)).toBe(0xcbf43926)
    expect(nodePlatform.checksum(new Uint8Array(0), 0)).toBe(0)
  })

  test("its chance fills arrays of any size, and differently each time", () => {
    const first = new Uint8Array(100_000)
    const second = new Uint8Array(100_000)
    nodePlatform.random.fill(first)
    nodePlatform.random.fill(second)
    expect(first.some((byte) => byte !== 0)).toBe(true)
    expect(Buffer.compare(first, second)).not.toBe(0)
  })

  test("its memory is that of a process", () => {
    expect(nodePlatform.residentBytes()).toBeGreaterThan(1024 * 1024)
  })
})
