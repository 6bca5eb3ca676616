// Tables that the engine keeps for itself. They are tables like any other: logged, folded, checkpointed and recovered, in
// the same commits as what users write. Users do not see them: not by name, not in lists, not in change streams.

/** What the names of system tables begin with; no table of a user does. Format. */
export const SYSTEM_TABLE_PREFIX = "orrery:"

export function isSystemTable(name: string): boolean {
  return name.startsWith(SYSTEM_TABLE_PREFIX)
}

/** Checks the name of a table that a user asks for. Throws a TypeError. */
export function checkTableName(name: unknown): asserts name is string {
  if (typeof name !== "string" || name === "" || !name.isWellFormed()) {
    throw new TypeError("the table's name must be a well-formed string that is not empty")
  }
  if (isSystemTable(name)) {
    throw new TypeError(
      `names that begin with "${SYSTEM_TABLE_PREFIX}" are the engine's own: use another for the table`,
    )
  }
}
