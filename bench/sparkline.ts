// The course of a number as one line of text.

const BARS = "▁▂▃▄▅▆▇█"

/** The values as bars between the lowest and the highest of them, each bar the mean of those that it stands for. */
export function sparkline(values: readonly number[], width: number): string {
  const columns = Math.min(width, values.length)
  const means = Array.from({ length: columns }, (_, column) => {
    const start = Math.floor((column * values.length) / columns)
    const part = values.slice(start, Math.max(start + 1, Math.floor(((column + 1) * values.length) / columns)))
    return part.reduce((sum, value) => sum + value, 0) / part.length
  })
  const lowest = Math.min(...means)
  const range = Math.max(...means) - lowest
  return means.map((mean) => BARS[range === 0 ? 0 : Math.round(((mean - lowest) / range) * (BARS.length - 1))]).join("")
}
