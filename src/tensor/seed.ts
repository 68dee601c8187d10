import { cryptoModule } from "../native/programs.ts";

/**
 * A seed of its own for each name: the first 32 bits of SHA-256 of `SEED/NAME`. A parameter that is seeded by its
 * name has the same initial values on every rank, in whatever order a rank makes its parameters; and each rank draws
 * from a stream of its own, that of the name `rank N`.
 */
export function seedFor(seed: number, name: string): number {
  return cryptoModule().createHash("sha256").update(`${seed}/${name}`).digest().readUInt32BE(0);
}
