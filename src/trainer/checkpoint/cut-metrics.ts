import { readFile } from "node:fs/promises";
import { writeFileAtomically } from "../../files/atomic-file.ts";

/**
 * Drops the lines that a run which goes on after `step` writes again: those of later steps, the validation after
 * `step`, and what a killed writer left of a line.
 */
export async function cutMetrics(path: string, step: number): Promise<void> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "";
    throw error;
  });
  const kept = text.split("\n").filter((line) => isBefore(line, step));
  await writeFileAtomically(path, (file) => file.writeFile(kept.map((line) => `${line}\n`).join("")));
}

function isBefore(line: string, step: number): boolean {
  try {
    const record = JSON.parse(line) as { kind: string; step: number };
    return record.kind === "train" ? record.step <= step : record.step < step;
  } catch {
    return false;
  }
}
