// The page of the board: plain HTML and one script, no build step. It keeps its rows by applying deltas, as any client can.

export const page: string = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Orrery: largest cities</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem; display: flex; gap: 3rem; color: #222 }
  table { border-collapse: collapse }
  td { padding: 0.15rem 0.75rem }
  td:last-child { text-align: right; font-variant-numeric: tabular-nums }
  tr.touched { animation: touched 1s }
  @keyframes touched { from { background: #fd6 } }
  ol { list-style: none; padding: 0; color: #666; font-size: 14px }
  #state { position: fixed; top: 0.5rem; right: 1rem; color: #888 }
</style>
<div id="state">connecting</div>
<table><tbody id="rows"></tbody></table>
<ol id="ticker"></ol>
<script>
  let rows = []
  const touched = new Set()
  const body = document.getElementById("rows")
  const ticker = document.getElementById("ticker")
  const state = document.getElementById("state")

  function apply({ type, key, value, index, from }) {
    if (type === "leave") rows.splice(index, 1)
    else if (type === "change") rows[index] = { key, value }
    else {
      if (type === "move") rows.splice(from, 1)
      rows.splice(index, 0, { key, value })
    }
    if (type !== "leave") touched.add(key)
  }

  function cell(text) {
    const cell = document.createElement("td")
    cell.textContent = text
    return cell
  }

  function show() {
    body.replaceChildren(...rows.map(({ key, value }, index) => {
      const row = document.createElement("tr")
      row.dataset.key = key
      if (touched.has(key)) row.className = "touched"
      row.append(cell(index + 1), cell(value.name), cell(value.country), cell(value.population.toLocaleString("en")))
      return row
    }))
    touched.clear()
  }

  const events = new EventSource("/events" + location.search)
  events.onopen = () => (state.textContent = "live")
  events.onerror = () => (state.textContent = "reconnecting")
  events.addEventListener("rows", ({ data }) => {
    const { deltas, isFirst } = JSON.parse(data)
    if (isFirst) rows = []
    deltas.forEach(apply)
    if (isFirst) touched.clear()
    show()
  })
  events.addEventListener("commit", ({ data, lastEventId }) => {
    for (const { key, name, population } of JSON.parse(data)) {
      const line = document.createElement("li")
      line.dataset.lsn = lastEventId
      line.textContent = name === undefined ? key + " is gone" : name + ": " + population.toLocaleString("en")
      ticker.prepend(line)
    }
    while (ticker.children.length > 200) ticker.lastChild.remove()
  })
</script>
</html>
`
