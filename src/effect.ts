// The public door for programs that are written with Effect. Apart from the main door, because Effect's streams take
// longer to load than the store.

export { changesOf, eachChange, openScoped } from "./store/effect-store.ts"
export type { ChangesOwner } from "./store/effect-store.ts"
