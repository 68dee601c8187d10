import { once } from "node:events";

/** Writes text piece by piece, no faster than the reader takes it. */
export async function writeOut(pieces: Iterable<string>): Promise<void> {
  for (const piece of pieces) {
    if (!process.stdout.write(piece)) await once(process.stdout, "drain");
  }
}
