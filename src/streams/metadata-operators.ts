// What to make of samples: where the heat is, and which keys are hot. RxJS operators over the pure functions of src/physics;
// each subscription has a state of its own, bounded by tables and shards, or by its capacity.

import { Observable } from "rxjs/internal/Observable"
import { map } from "rxjs/internal/operators/map"
import type { OperatorFunction } from "rxjs/internal/types"
import { decayOver, heatAt, rateOf, warmed } from "../physics/heat.ts"
import type { Heat } from "../physics/heat.ts"
import { countKey, createHotKeys, decayKeys, hottestOf } from "../physics/hot-keys.ts"
import type { AccessBatch } from "./metadata-batch.ts"

export interface HeatOptions {
  /** Milliseconds after which an access counts half. Default 60,000. */
  readonly halfLifeMs?: number
}

export interface HotKeysOptions extends HeatOptions {
  /** Keys that are told. Default 10. */
  readonly count?: number
  /** Keys that are counted, from `count` to 10,000: the more, the more exact. Default 1,000. */
  readonly capacity?: number
}

/** How much a table's part in one shard is used. */
export interface PartHeat {
  readonly table: string
  readonly shard: number
  /** Accesses, those of long ago counting less. */
  readonly heat: number
  /** Accesses a second that keep up this heat. */
  readonly perSecond: number
}

/** How much a key is used. */
export interface HotKey {
  readonly table: string
  readonly key: string
  /** Accesses a second, lately: estimated from the sample. */
  readonly perSecond: number
  /** By how much that may be too high because others were not counted; the sample's own error comes on top. */
  readonly errorPerSecond: number
}

const HALF_LIFE_MS_DEFAULT = 60_000
const CAPACITY_MAX = 10_000

/**
 * Turns samples of accesses into the heat of each table's part in each shard, hottest first. Throws a TypeError.
 *
 * ```ts
 * store.metadata().accesses.pipe(heat()).subscribe(([hottest]) => console.log(hottest))
 * ```
 */
export function heat(options: HeatOptions = {}): OperatorFunction<AccessBatch, readonly PartHeat[]> {
  const halfLifeMs = positive("halfLifeMs", options.halfLifeMs, HALF_LIFE_MS_DEFAULT, Number.MAX_SAFE_INTEGER)
  return stateful(() => {
    const tables = new Map<string, (Heat | undefined)[]>()
    return (batch) => {
      for (let index = 0; index < batch.count; index++) {
        const table = batch.tables[index] as string
        const shard = batch.shards[index] as number
        let parts = tables.get(table)
        if (parts === undefined) tables.set(table, (parts = []))
        parts[shard] = warmed(parts[shard], batch.every, batch.timesMs[index] as number, halfLifeMs)
      }
      const told: PartHeat[] = []
      for (const [table, parts] of tables) {
        parts.forEach((last, shard) => {
          if (last === undefined) return
          const value = heatAt(last, batch.atMs, halfLifeMs)
          told.push({ table, shard, heat: value, perSecond: rateOf(value, halfLifeMs) })
        })
      }
      return told.toSorted((one, other) => other.heat - one.heat)
    }
  })
}

/** Turns samples of accesses into the keys that are used most, hottest first. Throws a TypeError. */
export function hottestKeys(options: HotKeysOptions = {}): OperatorFunction<AccessBatch, readonly HotKey[]> {
  const halfLifeMs = positive("halfLifeMs", options.halfLifeMs, HALF_LIFE_MS_DEFAULT, Number.MAX_SAFE_INTEGER)
  const count = positive("count", options.count, 10, CAPACITY_MAX)
  const capacity = positive("capacity", options.capacity, Math.max(count, 1_000), CAPACITY_MAX)
  if (capacity < count) throw new TypeError("capacity must not be less than count")
  return stateful(() => {
    const keys = createHotKeys(capacity)
    let lastMs: number | undefined
    return (batch) => {
      decayKeys(keys, decayOver(batch.atMs - (lastMs ?? batch.atMs), halfLifeMs))
      lastMs = batch.atMs
      for (let index = 0; index < batch.count; index++) {
        countKey(keys, idOf(batch.tables[index] as string, batch.keys[index] as string), batch.every)
      }
      return hottestOf(keys, count).map(({ key, value, error }): HotKey => {
        const perSecond = rateOf(value, halfLifeMs)
        return { ...partsOf(key), perSecond, errorPerSecond: rateOf(error, halfLifeMs) }
      })
    }
  })
}

/** An operator that gives each subscription a fold of its own. */
function stateful<Input, Output>(begin: () => (input: Input) => Output): OperatorFunction<Input, Output> {
  return (source) => new Observable((subscriber) => source.pipe(map(begin())).subscribe(subscriber))
}

/** A table and a key in one text: the table's length tells them apart, whatever they hold. */
function idOf(table: string, key: string): string {
  return `${table.length}:${table}${key}`
}

function partsOf(id: string): { readonly table: string; readonly key: string } {
  const colon = id.indexOf(":")
  const end = colon + 1 + Number(id.slice(0, colon))
  return { table: id.slice(colon + 1, end), key: id.slice(end) }
}

function positive(name: string, value: unknown, fallback: number, most: number): number {
  if (value === undefined) return fallback
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 1 && value <= most) return value
  throw new TypeError(`${name} must be a whole number from 1 to ${most}`)
}
