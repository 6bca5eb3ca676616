// A disk model without any of the tricks of src/simulation: whole copies, arrays of numbers, one loop for each sentence of
// the promise. The tests compare the crash states of the real model with those of this one.

export type PlainUnit =
  | { readonly kind: "data"; readonly file: number; readonly position: number; readonly bytes: readonly number[] }
  | { readonly kind: "size"; readonly file: number; readonly size: number; readonly cuts: boolean }
  | { readonly kind: "create" | "unlink"; readonly name: string; readonly file: number }
  | { readonly kind: "rename"; readonly name: string; readonly target: string; readonly file: number }

interface PlainFile {
  size: number
  /** Also what lies beyond the size. */
  bytes: number[]
}

export class PlainDisk {
  readonly names: Map<string, number>
  readonly files: Map<number, PlainFile>

  constructor(source?: PlainDisk) {
    this.names = new Map(source?.names)
    this.files = new Map()
    for (const [number, file] of source?.files ?? [])
      this.files.set(number, { size: file.size, bytes: [...file.bytes] })
  }

  apply(unit: PlainUnit): void {
    if (unit.kind === "data") {
      const { bytes } = this.#file(unit.file)
      unit.bytes.forEach((byte, index) => (bytes[unit.position + index] = byte))
    } else if (unit.kind === "size") {
      const file = this.#file(unit.file)
      file.size = unit.size
      if (unit.cuts) file.bytes.length = Math.min(file.bytes.length, unit.size)
    } else {
      this.#file(unit.file)
      if (unit.kind !== "create" && this.names.get(unit.name) === unit.file) this.names.delete(unit.name)
      if (unit.kind === "create") this.names.set(unit.name, unit.file)
      if (unit.kind === "rename") this.names.set(unit.target, unit.file)
    }
  }

  /** What a reader sees, as one string. */
  show(): string {
    const lines: string[] = []
    for (const [name, number] of this.names) {
      const { size, bytes } = this.#file(number)
      const shown = Uint8Array.from({ length: size }, (_, index) => bytes[index] ?? 0)
      lines.push(showFile(name, shown))
    }
    return lines.sort().join("\n")
  }

  #file(number: number): PlainFile {
    const file = this.files.get(number) ?? { size: 0, bytes: [] }
    this.files.set(number, file)
    return file
  }
}

/** A file as one line. */
export function showFile(path: string, bytes: Uint8Array): string {
  return `${path}:${Buffer.from(bytes).toString("hex")}`
}

/** Every state that a crash must be tried with, of a medium and what is pending, up to six units. */
export function plainStates(medium: PlainDisk, pending: readonly PlainUnit[]): Set<string> {
  const states = new Set<string>()
  const keep = (units: readonly PlainUnit[]): PlainDisk => {
    const disk = new PlainDisk(medium)
    for (const unit of units) disk.apply(unit)
    return disk
  }
  // Nothing, everything, every prefix, every hole: all of them subsets.
  for (let subset = 0; subset < 2 ** pending.length; subset++) {
    states.add(keep(pending.filter((_, index) => (subset & (2 ** index)) !== 0)).show())
  }
  // Every prefix with the next unit torn.
  pending.forEach((unit, index) => {
    const before = pending.slice(0, index)
    for (const torn of tornUnits(unit, keep(before))) states.add(keep([...before, torn]).show())
  })
  return states
}

function tornUnits(unit: PlainUnit, before: PlainDisk): PlainUnit[] {
  if (unit.kind === "data") {
    const { bytes } = unit
    return [
      { ...unit, bytes: bytes.map(() => 0) },
      { ...unit, bytes: bytes.map(() => 0xa5) },
      { ...unit, bytes: bytes.slice(0, Math.floor(bytes.length / 2)) },
    ]
  }
  if (unit.kind === "size" && !unit.cuts) {
    const size = before.files.get(unit.file)?.size ?? 0
    return [{ ...unit, size: size + Math.floor((unit.size - size) / 2) }]
  }
  return []
}

/** A write's units: its size first if it grows the file, then a unit for each sector. */
export function plainWrite(file: number, sizeBefore: number, position: number, bytes: readonly number[]): PlainUnit[] {
  const units: PlainUnit[] = []
  const end = position + bytes.length
  if (end > sizeBefore) units.push({ kind: "size", file, size: end, cuts: false })
  for (let at = position; at < end;) {
    const next = Math.min(end, (Math.floor(at / 512) + 1) * 512)
    units.push({ kind: "data", file, position: at, bytes: bytes.slice(at - position, next - position) })
    at = next
  }
  return units
}
