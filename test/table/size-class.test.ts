import { expect, test } from "vitest"
import { CLASS_COUNT, CLASS_LARGE, sizeClassOf, SLOT_SIZE_MAX, slotSizeOf } from "../../src/table/size-class.ts"

test("every record size has the smallest slot that holds it", () => {
  for (let size = 16; size <= SLOT_SIZE_MAX; size += 8) {
    const sizeClass = sizeClassOf(size)
    if (slotSizeOf(sizeClass) < size) throw new Error(`${size} bytes do not fit class ${sizeClass}`)
    if (sizeClass > 0 && slotSizeOf(sizeClass - 1) >= size) throw new Error(`${size} bytes fit a smaller slot`)
  }
  expect(slotSizeOf(sizeClassOf(SLOT_SIZE_MAX))).toBe(SLOT_SIZE_MAX)
})

test("a slot wastes nothing up to 512 bytes and less than an eighth above", () => {
  for (let size = 16; size <= SLOT_SIZE_MAX; size += 8) {
    const waste = slotSizeOf(sizeClassOf(size)) - size
    if (waste > (size <= 512 ? 0 : size / 8)) throw new Error(`${waste} bytes are wasted on ${size}`)
  }
  expect(slotSizeOf(sizeClassOf(88))).toBe(88)
})

test("slots rise by multiples of 8 up to the largest class", () => {
  for (let sizeClass = 1; sizeClass < CLASS_LARGE; sizeClass++) {
    expect(slotSizeOf(sizeClass) % 8).toBe(0)
    expect(slotSizeOf(sizeClass)).toBeGreaterThan(slotSizeOf(sizeClass - 1))
  }
})

test("a record above the largest slot is large", () => {
  expect(sizeClassOf(SLOT_SIZE_MAX + 8)).toBe(CLASS_LARGE)
  expect(sizeClassOf(16 * 1024 * 1024 + 4096 + 16)).toBe(CLASS_LARGE)
  expect(sizeClassOf(SLOT_SIZE_MAX)).toBe(CLASS_LARGE - 1)
  expect(CLASS_COUNT).toBe(CLASS_LARGE + 1)
})
