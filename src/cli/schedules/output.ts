import { once } from "node:events";
import pc from "picocolors";

/** Writes text piece by piece, no faster than the reader takes it. */
export async function writeOut(pieces: Iterable<string>): Promise<void> {
  for (const piece of pieces) {
    if (!process.stdout.write(piece)) await once(process.stdout, "drain");
  }
}

/** Right-aligned columns, each as wide as its widest cell, under a dim head. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((name, column) => Math.max(name.length, ...rows.map((row) => row[column]!.length)));
  const line = (cells: readonly string[]) =>
    cells.map((cell, column) => cell.padStart(widths[column]!)).join("  ");
  return [pc.dim(line(head)), ...rows.map(line)].join("\n");
}
