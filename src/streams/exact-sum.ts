// A sum of numbers that can be taken out again: exact, so it depends neither on the order in which numbers came nor on
// what was in it meanwhile, and is rounded once, when it is read. Whole numbers are counted as such; others as multiples of
// the smallest double, in a bigint (Kulisch's long accumulator).

/** A double is a whole multiple of 2 ** -1074. */
const SCALE_BITS = 1_074
/** Bits that decide how a number is rounded, with room to spare; what lies behind them counts as one. */
const KEPT_BITS = 128

const scratch = new DataView(new ArrayBuffer(8))

export class ExactSum {
  /** Sum of whole numbers; always safe. */
  #whole = 0
  /** What the others sum up to, in multiples of 2 ** -1074. */
  #scaled = 0n
  #notANumber = 0
  #positiveInfinite = 0
  #negativeInfinite = 0

  add(value: number): void {
    this.#count(value, 1)
  }

  /** Takes out what was added. */
  remove(value: number): void {
    this.#count(value, -1)
  }

  /** The double nearest to the sum. */
  get value(): number {
    if (this.#notANumber > 0 || (this.#positiveInfinite > 0 && this.#negativeInfinite > 0)) return Number.NaN
    if (this.#positiveInfinite > 0) return Number.POSITIVE_INFINITY
    if (this.#negativeInfinite > 0) return Number.NEGATIVE_INFINITY
    if (this.#scaled === 0n) return this.#whole
    return nearest(this.#scaled + (BigInt(this.#whole) << BigInt(SCALE_BITS)))
  }

  #count(value: number, sign: 1 | -1): void {
    if (Number.isSafeInteger(value)) {
      const sum = this.#whole + sign * value
      if (Number.isSafeInteger(sum)) {
        // Never -0, which would show when nothing is left.
        this.#whole = sum + 0
        return
      }
    }
    if (Number.isFinite(value)) this.#scaled += BigInt(sign) * scaledOf(value)
    else if (Number.isNaN(value)) this.#notANumber += sign
    else if (value > 0) this.#positiveInfinite += sign
    else this.#negativeInfinite += sign
  }
}

function scaledOf(value: number): bigint {
  scratch.setFloat64(0, value)
  const bits = scratch.getBigUint64(0)
  const exponent = Number((bits >> 52n) & 0x7ffn)
  const fraction = bits & 0xf_ffff_ffff_ffffn
  const size = exponent === 0 ? fraction : (fraction | 0x10_0000_0000_0000n) << BigInt(exponent - 1)
  return value < 0 ? -size : size
}

function nearest(scaled: bigint): number {
  const isNegative = scaled < 0n
  let size = isNegative ? -scaled : scaled
  let exponent = -SCALE_BITS
  const surplus = size.toString(16).length * 4 - KEPT_BITS
  if (surplus > 0) {
    const kept = size >> BigInt(surplus)
    // A last bit that says that something was cut off, so that a tie is none.
    size = kept << BigInt(surplus) === size ? kept : kept | 1n
    exponent += surplus
  }
  const value = scaledBy(Number(size), exponent)
  return isNegative ? -value : value
}

/** In two steps where one power of two would be too large or too small for a double. */
function scaledBy(value: number, exponent: number): number {
  if (exponent < -1_000) return value * 2 ** (exponent + 1_000) * 2 ** -1_000
  if (exponent > 900) return value * 2 ** 900 * 2 ** (exponent - 900)
  return value * 2 ** exponent
}
