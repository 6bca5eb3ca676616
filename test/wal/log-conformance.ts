// What every log must do, whatever it is made of (src/wal/log.ts). An implementation brings a home for one; the suite
// knows nothing else of it, and is run unchanged.

import { afterEach, beforeEach, describe, expect, test } from "vitest"
import { CursorExpired, Fenced, LogUnavailable } from "../../src/model/errors.ts"
import { InvariantViolation } from "../../src/model/invariant.ts"
import { lsnOf } from "../../src/model/lsn.ts"
import type { Log } from "../../src/wal/log.ts"
import { appendText, copyOf, draftOf, framesOf, textsOf } from "./log-home.ts"
import type { LogHome, ReadFrame } from "./log-home.ts"

export function describeLog(name: string, makeHome: () => Promise<LogHome>): void {
  describe(`${name} as a log`, () => {
    let home: LogHome

    beforeEach(async () => {
      home = await makeHome()
    })
    afterEach(() => home.dispose())

    describe("append", () => {
      test("gives a frame the LSNs behind the expected one", async () => {
        const log = await home.open()
        const start = log.endLsn
        await log.append(draftOf("one", { commitCount: 3 }), start)
        expect(log.endLsn).toBe(start + 3)
        await log.append(draftOf("two"), log.endLsn)
        const read = await framesOf(log.read(start))
        expect(read.map(({ firstLsn, lastLsn, text }) => [firstLsn - start, lastLsn - start, text])).toEqual([
          [1, 3, "one"],
          [4, 4, "two"],
        ])
      })

      test("keeps what the draft said of the frame", async () => {
        const log = await home.open()
        await log.append(draftOf("x", { commitCount: 5, timeMs: 1_767_225_600_123 }), log.endLsn)
        expect((await framesOf(log.read(log.oldestLsn)))[0]).toMatchObject({
          recordCount: 5,
          timeMs: 1_767_225_600_123,
          epoch: log.epoch,
        })
      })

      test("behind another place than the end is a defect, and changes nothing", async () => {
        const log = await home.open()
        await appendText(log, "one")
        const end = log.endLsn
        await expect(log.append(draftOf("no"), lsnOf(end - 1))).rejects.toThrow(InvariantViolation)
        await expect(log.append(draftOf("no"), lsnOf(end + 1))).rejects.toThrow(InvariantViolation)
        expect(log.endLsn).toBe(end)
        await appendText(log, "two")
        expect(await textsOf(log)).toEqual(["one", "two"])
      })

      test("while another append is in flight is a defect, and the other one goes on", async () => {
        const log = await home.open()
        const first = appendText(log, "one")
        await expect(appendText(log, "no")).rejects.toThrow(InvariantViolation)
        await first
        await appendText(log, "two")
        expect(await textsOf(log)).toEqual(["one", "two"])
      })

      test("while a sync is in flight is a defect", async () => {
        const log = await home.open()
        await appendText(log, "one", false)
        const syncing = log.sync()
        await expect(appendText(log, "no")).rejects.toThrow(InvariantViolation)
        await syncing
        expect(await textsOf(log)).toEqual(["one"])
      })

      test("is done with the buffer when it resolves", async () => {
        const log = await home.open()
        const draft = draftOf("one")
        await log.append(draft, log.endLsn)
        draft.buffer.bytes.fill(0xee)
        expect(await textsOf(log)).toEqual(["one"])
      })

      test("takes frames from nothing at all to larger than any segment", async () => {
        const log = await home.open()
        const texts = ["", "a", "b".repeat(5_000), "c", "d".repeat(300_000), "e".repeat(7), "f".repeat(70_000), "g"]
        for (const text of texts) await appendText(log, text)
        expect(await textsOf(log)).toEqual(texts)
        await log.close()
        expect(await textsOf(await home.open())).toEqual(texts)
      })
    })

    describe("durability", () => {
      test("an append without a sync is in the log and not durable", async () => {
        const log = await home.open()
        const durable = log.durableLsn
        await appendText(log, "one", false)
        expect(log.endLsn).toBe(durable + 1)
        expect(log.durableLsn).toBe(durable)
        expect(await framesOf(log.read(durable))).toEqual([])
        expect((await framesOf(log.read(durable, log.endLsn))).map(({ text }) => text)).toEqual(["one"])
      })

      test("a synced append makes everything before it durable", async () => {
        const log = await home.open()
        await appendText(log, "one", false)
        await appendText(log, "two", false)
        await appendText(log, "three")
        expect(log.durableLsn).toBe(log.endLsn)
        expect(await textsOf(log)).toEqual(["one", "two", "three"])
      })

      test("a sync makes everything durable, and twice is as good as once", async () => {
        const log = await home.open()
        await appendText(log, "one", false)
        await log.sync()
        expect(log.durableLsn).toBe(log.endLsn)
        await log.sync()
        expect(await textsOf(log)).toEqual(["one"])
      })
    })

    describe("read", () => {
      test("gives from every position to every position the frames that hold something of it", async () => {
        const log = await home.open()
        const start = log.endLsn
        for (const [index, commitCount] of [1, 3, 1, 2, 4, 1, 1, 5].entries()) {
          await log.append(draftOf(`frame ${index}`.repeat(60), { commitCount }), log.endLsn)
        }
        const all = await framesOf(log.read(start))
        expect(all).toHaveLength(8)
        for (let after = start as number; after <= log.endLsn; after++) {
          for (let to = after; to <= log.endLsn; to++) {
            const expected = all.filter(({ firstLsn, lastLsn }) => lastLsn > after && firstLsn <= to && to > after)
            expect(await framesOf(log.read(lsnOf(after), lsnOf(to))), `after ${after} to ${to}`).toEqual(expected)
          }
        }
      })

      test("goes no further than what was durable when it was asked for", async () => {
        const log = await home.open()
        const start = log.endLsn
        await appendText(log, "one")
        const reading = log.read(start)
        await appendText(log, "two")
        expect((await framesOf(reading)).map(({ text }) => text)).toEqual(["one"])
      })

      test("beside appends gives what was there when it began, and no more", async () => {
        const log = await home.open()
        const start = log.endLsn
        for (let n = 0; n < 6; n++) await appendText(log, `before ${n}`)
        const read: string[] = []
        for await (const frame of log.read(start)) {
          read.push(copyOf(frame).text)
          await appendText(log, "beside ".repeat(20))
        }
        expect(read).toEqual(Array.from({ length: 6 }, (_, n) => `before ${n}`))
      })

      test("up to a position that comes only while it reads leaves nothing out", async () => {
        const log = await home.open()
        const start = log.endLsn
        await appendText(log, "frame 0")
        const read: string[] = []
        let n = 1
        for await (const frame of log.read(start, lsnOf(start + 40))) {
          read.push(copyOf(frame).text)
          if (n < 40) await appendText(log, `frame ${n++}`.padEnd(n * 13, "."))
        }
        expect(read.map((text) => text.replace(/\.+$/, ""))).toEqual(
          Array.from({ length: 40 }, (_, at) => `frame ${at}`),
        )
      })

      test("many readers beside a writer all see the same", async () => {
        const log = await home.open()
        const start = log.endLsn
        for (let n = 0; n < 20; n++) await appendText(log, `before ${n}`.padEnd(400))
        const expected = await framesOf(log.read(start))
        const readers = Array.from({ length: 8 }, () => framesOf(log.read(start)))
        for (let n = 0; n < 20; n++) await appendText(log, `beside ${n}`.padEnd(400))
        for (const reader of readers) expect(await reader).toEqual(expected)
      })

      test("may be left in the middle", async () => {
        const log = await home.open()
        for (let n = 0; n < 5; n++) await appendText(log, `${n}`)
        for await (const frame of log.read(lsnOf(log.oldestLsn - 1))) {
          expect(copyOf(frame).text).toBe("0")
          break
        }
        await appendText(log, "5")
        expect(await textsOf(log)).toEqual(["0", "1", "2", "3", "4", "5"])
      })

      test("behind the end gives nothing", async () => {
        const log = await home.open()
        await appendText(log, "one")
        expect(await framesOf(log.read(log.endLsn))).toEqual([])
        expect(await framesOf(log.read(log.endLsn, lsnOf(log.endLsn + 10)))).toEqual([])
      })
    })

    describe("truncate", () => {
      test("lets go of nothing that lies behind the position", async () => {
        const log = await home.open()
        const frames = await fill(log, 60)
        for (const at of [0, 7, 20, 41]) {
          const position = lsnOf((frames[at] as ReadFrame).lastLsn)
          await log.truncate(position)
          expect(log.oldestLsn).toBeLessThanOrEqual(position + 1)
          expect(await framesOf(log.read(position))).toEqual(frames.slice(at + 1))
        }
        expect(log.oldestLsn).toBeGreaterThan((frames[7] as ReadFrame).lastLsn)
      })

      test("makes positions before the oldest expired, and the oldest readable", async () => {
        const log = await home.open()
        const frames = await fill(log, 60)
        await log.truncate(lsnOf((frames[30] as ReadFrame).lastLsn))
        const oldest = log.oldestLsn
        const expired = framesOf(log.read(lsnOf(oldest - 2)))
        await expect(expired).rejects.toThrow(CursorExpired)
        await expect(expired).rejects.toMatchObject({ after: oldest - 2, oldest })
        const kept = await framesOf(log.read(lsnOf(oldest - 1)))
        expect(kept).toEqual(frames.filter(({ lastLsn }) => lastLsn >= oldest))
      })

      test("before the first frame, and twice at one place, gives nothing back", async () => {
        const log = await home.open()
        const frames = await fill(log, 40)
        expect(await log.truncate(lsnOf(0))).toBe(0)
        const position = lsnOf((frames[20] as ReadFrame).lastLsn)
        await log.truncate(position)
        expect(await log.truncate(position)).toBe(0)
        expect(await framesOf(log.read(position))).toEqual(frames.slice(21))
      })

      test("up to the end leaves a log that goes on", async () => {
        const log = await home.open()
        await fill(log, 40)
        await log.truncate(log.endLsn)
        const end = log.endLsn
        await appendText(log, "behind")
        expect((await framesOf(log.read(end))).map(({ text }) => text)).toEqual(["behind"])
      })

      test("is remembered by the next owner", async () => {
        const log = await home.open()
        const frames = await fill(log, 60)
        const position = lsnOf((frames[30] as ReadFrame).lastLsn)
        await log.truncate(position)
        const oldest = log.oldestLsn
        await log.close()
        const next = await home.open()
        expect(next.oldestLsn).toBe(oldest)
        expect(await framesOf(next.read(position))).toEqual(frames.slice(31))
        await expect(framesOf(next.read(lsnOf(oldest - 2)))).rejects.toThrow(CursorExpired)
      })

      test("under a reader lets the reader finish what it is at, or tells it that its position expired", async () => {
        const log = await home.open()
        const frames = await fill(log, 60)
        const position = lsnOf((frames[40] as ReadFrame).lastLsn)
        const read: ReadFrame[] = []
        let outcome: unknown
        try {
          for await (const frame of log.read(lsnOf(log.oldestLsn - 1))) {
            read.push(copyOf(frame))
            if (read.length === 3) await log.truncate(position)
            if (read.length > 3) await appendText(log, "beside ".repeat(30))
          }
        } catch (error) {
          outcome = error
        }
        expect(read).toEqual(frames.slice(0, read.length))
        expect(read.length).toBeGreaterThan(3)
        if (read.length < frames.length) expect(outcome).toBeInstanceOf(CursorExpired)
        else expect(outcome).toBeUndefined()
      })
    })

    describe("epochs", () => {
      test("every owner begins a higher one, behind all LSNs of the last", async () => {
        let epoch = 0
        let end = 0
        for (let owner = 0; owner < 4; owner++) {
          const log = await home.open()
          expect(log.epoch).toBeGreaterThan(epoch)
          expect(log.endLsn).toBeGreaterThanOrEqual(end)
          await appendText(log, `owner ${owner}`)
          epoch = log.epoch
          end = log.endLsn
          await log.close()
        }
        const log = await home.open()
        const read = await framesOf(log.read(lsnOf(0)))
        expect(read.map(({ text }) => text)).toEqual(["owner 0", "owner 1", "owner 2", "owner 3"])
        expect(new Set(read.map(({ epoch: one }) => one)).size).toBe(4)
      })

      test("a newer owner ends the older one's, which writes nothing any more", async () => {
        const older = await home.open()
        await appendText(older, "one")
        const newer = await home.open()
        await appendText(newer, "two")
        await expect(appendText(older, "no")).rejects.toThrow(Fenced)
        await expect(older.sync()).rejects.toThrow(Fenced)
        await expect(older.truncate(older.endLsn)).rejects.toThrow(Fenced)
        await older.close()
        await appendText(newer, "three")
        expect(await textsOf(newer)).toEqual(["one", "two", "three"])
        await newer.close()
        expect(await textsOf(await home.open())).toEqual(["one", "two", "three"])
      })

      test("LSNs may jump where one begins, and reading passes over the gap", async () => {
        const first = await home.open()
        await appendText(first, "before")
        const end = first.endLsn
        await first.close()
        const second = await home.open({ lsnMin: end + 1_000 })
        expect(second.endLsn).toBeGreaterThanOrEqual(end + 1_000)
        await appendText(second, "behind")
        await second.close()
        const third = await home.open()
        expect(third.endLsn).toBeGreaterThan(second.endLsn)
        for (const after of [end, end + 1, end + 500]) {
          expect((await framesOf(third.read(lsnOf(after)))).map(({ text }) => text)).toEqual(["behind"])
        }
        expect(await framesOf(third.read(end, lsnOf(end + 500)))).toEqual([])
      })
    })

    describe("close", () => {
      test("makes everything durable, and twice is as good as once", async () => {
        const log = await home.open()
        await appendText(log, "one", false)
        await Promise.all([log.close(), log.close()])
        await log.close()
        expect(await textsOf(await home.open())).toEqual(["one"])
      })

      test("ends the use of the log", async () => {
        const log = await home.open()
        await log.close()
        await expect(appendText(log, "no")).rejects.toThrow(LogUnavailable)
        await expect(log.sync()).rejects.toThrow(LogUnavailable)
        await expect(log.truncate(log.endLsn)).rejects.toThrow(LogUnavailable)
      })
    })

    test("a long log of many owners and segments is read back whole from any position", async () => {
      const texts: string[] = []
      for (let owner = 0; owner < 3; owner++) {
        const log = await home.open()
        for (let n = 0; n < 80; n++) {
          const text = `owner ${owner} frame ${n} `.repeat(1 + ((n * 7) % 40))
          texts.push(text)
          await appendText(log, text, n % 3 !== 0)
        }
        await log.close()
      }
      const log = await home.open()
      const all = await framesOf(log.read(lsnOf(0)))
      expect(all.map(({ text }) => text)).toEqual(texts)
      for (let at = 0; at < all.length; at += 17) {
        const { lastLsn } = all[at] as ReadFrame
        expect(await framesOf(log.read(lsnOf(lastLsn)))).toEqual(all.slice(at + 1))
      }
    })
  })
}

/** Appends so many frames, enough for several small segments, and reads them back. */
async function fill(log: Log, count: number): Promise<ReadFrame[]> {
  const start = log.endLsn
  for (let n = 0; n < count; n++) await appendText(log, `frame ${n} `.repeat(50))
  return framesOf(log.read(start))
}
