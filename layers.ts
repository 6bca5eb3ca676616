// The architecture as a table: which folder of src may import which, and which packages it may use. The lint rules in
// .oxlintrc.json are generated from it (scripts/lint-config.ts) and test/tidy.test.ts checks every import against it.
// A change here is a change of the architecture: it comes with a decision record in docs/decisions.

/** A folder of src, and what the files in it may import besides each other. */
export interface Layer {
  /** Path below src, without slashes at its ends; "" is src itself, where the doors are. */
  readonly folder: string
  /** Height. A folder imports nothing that is higher than itself. */
  readonly rank: number
  /** Folders that it may import. */
  readonly mayImport: readonly string[]
  /** Packages that it may import. A name that ends in "/" or ":" stands for everything that starts with it. */
  readonly packages: readonly string[]
}

const contracts = ["model", "format", "platform", "physics"]
const engine = [...contracts, "table", "wal", "checkpoint", "merkle", "recovery", "streams"]

/** Lowest first. `platform` holds contracts only; their real implementation in `platform/node` is a folder of its own. */
export const layers: readonly Layer[] = [
  { folder: "model", rank: 0, mayImport: [], packages: [] },
  { folder: "format", rank: 1, mayImport: ["model"], packages: [] },
  { folder: "platform", rank: 1, mayImport: ["model"], packages: [] },
  { folder: "platform/node", rank: 1, mayImport: ["model", "platform"], packages: ["node:"] },
  { folder: "physics", rank: 1, mayImport: ["model"], packages: [] },
  { folder: "table", rank: 2, mayImport: ["model", "format", "physics"], packages: [] },
  { folder: "merkle", rank: 2, mayImport: ["model", "format", "table"], packages: [] },
  { folder: "wal", rank: 2, mayImport: ["model", "format", "platform"], packages: [] },
  { folder: "checkpoint", rank: 2, mayImport: ["model", "format", "platform", "physics", "table"], packages: [] },
  {
    folder: "recovery",
    rank: 3,
    mayImport: ["model", "format", "platform", "wal", "checkpoint", "merkle", "table"],
    packages: [],
  },
  {
    folder: "streams",
    rank: 3,
    mayImport: ["model", "format", "wal", "table", "physics"],
    packages: ["rxjs", "rxjs/"],
  },
  { folder: "actors", rank: 4, mayImport: engine, packages: ["effect/"] },
  { folder: "store", rank: 5, mayImport: [...engine, "actors", "platform/node"], packages: ["effect/"] },
  { folder: "simulation", rank: 6, mayImport: [...engine, "actors", "platform/node", "store"], packages: [] },
  {
    folder: "testing",
    rank: 7,
    mayImport: ["model", "platform", "platform/node", "simulation"],
    packages: ["node:", "fast-check"],
  },
  {
    folder: "cli",
    rank: 6,
    mayImport: [...engine, "actors", "platform/node", "store"],
    packages: ["node:", "effect/"],
  },
  {
    folder: "",
    rank: 8,
    mayImport: [...engine, "actors", "platform/node", "store", "simulation", "testing", "cli"],
    packages: [],
  },
]

/** The layer of a file, by its path below src; undefined when its folder is not in the table. */
export function layerOf(path: string): Layer | undefined {
  const folder = path.includes("/") ? path.slice(0, path.lastIndexOf("/")) : ""
  const owners = layers.filter((layer) =>
    layer.folder === "" ? folder === "" : folder === layer.folder || folder.startsWith(`${layer.folder}/`),
  )
  return owners.reduce<Layer | undefined>(
    (best, layer) => (best === undefined || layer.folder.length > best.folder.length ? layer : best),
    undefined,
  )
}

/** Whether a layer's list of packages covers the module of that name. */
export function mayUsePackage(layer: Layer, name: string): boolean {
  return layer.packages.some((allowed) => (/[/:]$/.test(allowed) ? name.startsWith(allowed) : name === allowed))
}
