import { expect, test } from "vitest"
import { ReadSlots } from "../../src/streams/read-slots.ts"

test("no more hold a slot than there are, and the rest get theirs in the order in which they came", async () => {
  const slots = new ReadSlots(2)
  const order: number[] = []
  let holding = 0
  const work = async (name: number): Promise<void> => {
    await slots.take()
    holding++
    expect(holding).toBeLessThanOrEqual(2)
    order.push(name)
    for (let turn = 0; turn < name % 3; turn++) await Promise.resolve()
    holding--
    slots.give()
  }
  expect(slots.isContended).toBe(false)
  const all = Promise.all(Array.from({ length: 10 }, (_, name) => work(name)))
  expect(slots.isContended).toBe(true)
  await all
  expect(order).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  expect(slots.isContended).toBe(false)
})
