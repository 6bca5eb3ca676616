// Which failures of the disk end by themselves when somebody makes room.

import { StorageFailed } from "../model/errors.ts"

const CODES = ["ENOSPC", "EDQUOT"]

export function isFullDisk(error: unknown): error is StorageFailed {
  return error instanceof StorageFailed && CODES.includes(error.systemCode)
}
