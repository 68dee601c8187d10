import pc from "picocolors";

/** Right-aligned columns, each as wide as its widest cell, under a dim head. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((name, column) => Math.max(name.length, ...rows.map((row) => row[column]!.length)));
  const line = (cells: readonly string[]) =>
    cells.map((cell, column) => cell.padStart(widths[column]!)).join("  ");
  return [pc.dim(line(head)), ...rows.map(line)].join("\n");
}
