import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

/** Writes text piece by piece, no faster than the reader takes it; a reader that stops early is no error. */
export async function writeOut(pieces: Iterable<string>): Promise<void> {
  try {
    await pipeline(Readable.from(pieces), process.stdout, { end: false });
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EPIPE")) throw error;
  }
}
