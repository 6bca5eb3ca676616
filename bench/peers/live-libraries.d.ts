// What the benchmark of live queries uses of libraries that are not there unless the peers are installed: so that its types
// can be checked without them.

declare module "tinybase" {
  interface TinyStore {
    transaction(work: () => void): void
    setRow(table: string, row: string, cells: object): void
    getSortedRowIds(table: string, cell: string, descending: boolean, offset: number, limit: number): string[]
    addSortedRowIdsListener(
      table: string,
      cell: string,
      descending: boolean,
      offset: number,
      limit: number,
      listener: (
        store: TinyStore,
        table: string,
        cell: string | undefined,
        descending: boolean,
        offset: number,
        limit: number | undefined,
        ids: string[],
      ) => void,
    ): string
  }
  export function createStore(): TinyStore
}

declare module "@tanstack/db" {
  export class BTreeIndex {}
  export interface Sync<Value> {
    begin(): void
    write(message: { readonly type: "insert" | "update"; readonly value: Value }): void
    commit(): unknown
    markReady(): void
  }
  interface Collection<Value> {
    readonly toArray: readonly Value[]
    preload(): Promise<void>
  }
  interface Query<Value> {
    from(sources: { readonly user: Collection<Value> }): Query<Value>
    orderBy(by: (row: { readonly user: Value }) => unknown, direction: "asc" | "desc"): Query<Value>
    limit(count: number): Query<Value>
  }
  export function createCollection<Value, Key>(options: {
    readonly id: string
    readonly getKey: (value: Value) => Key
    readonly autoIndex: "eager"
    readonly defaultIndexType: typeof BTreeIndex
    readonly startSync: boolean
    readonly sync: { readonly sync: (sync: Sync<Value>) => void }
  }): Collection<Value>
  export function createLiveQueryCollection<Value>(options: {
    readonly startSync: boolean
    readonly query: (query: Query<Value>) => Query<Value>
  }): Collection<Value>
}

declare module "rxdb/plugins/core" {
  interface RxQuery {
    readonly $: { subscribe(next: (documents: readonly { readonly key: string }[]) => void): void }
    exec(): Promise<unknown>
  }
  interface RxCollection {
    bulkInsert(documents: readonly object[]): Promise<unknown>
    upsert(document: object): Promise<unknown>
    find(query: object): RxQuery
  }
  interface RxDatabase {
    addCollections(collections: object): Promise<{ readonly users?: RxCollection }>
  }
  export function createRxDatabase(options: object): Promise<RxDatabase>
}

declare module "rxdb/plugins/storage-memory" {
  export function getRxStorageMemory(): object
}
