// SHA-256 as a capability: the platform brings it, everybody else takes it as an argument.

/** The 32 bytes of the SHA-256 of the given bytes (FIPS 180-4). */
export type Sha256 = (bytes: Uint8Array) => Uint8Array

export const DIGEST_SIZE = 32
