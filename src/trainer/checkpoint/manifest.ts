import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { writeFileAtomically } from "../../files/atomic-file.ts";
import { configSchema } from "../config/schema.ts";
import { CheckpointError } from "./checkpoint-error.ts";

/** Written last: a folder without it is no checkpoint. */
export const MANIFEST_FILE = "manifest.json";
export const TOKENIZER_FILE = "tokenizer.json";

const count = z.int().min(0);
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

const manifestSchema = z.object({
  format: z.literal("dualpipe-checkpoint"),
  version: z.literal(1),
  /** Steps that were done. */
  step: count,
  /** Where in the data the run is: sequences that were trained on, and of which tokens. */
  data: z.object({ sequences: count, tokensSha256: sha256 }),
  config: configSchema,
  files: z.array(z.object({ name: z.string().regex(/^[\w-]+\.\w+$/), bytes: count, sha256 })),
});

/** What a checkpoint is of, and the files that it consists of besides the manifest itself. */
export type Manifest = z.infer<typeof manifestSchema>;
export type ManifestFile = Manifest["files"][number];

/** Writes the manifest with a checksum of itself. */
export async function writeManifest(folder: string, manifest: Manifest): Promise<void> {
  const text = JSON.stringify({ ...manifest, sha256: hash(JSON.stringify(manifest)) }, undefined, 2);
  await writeFileAtomically(join(folder, MANIFEST_FILE), (file) => file.writeFile(`${text}\n`));
}

/** @throws CheckpointError when it is missing or not as it was written */
export async function readManifest(folder: string): Promise<Manifest> {
  const path = join(folder, MANIFEST_FILE);
  try {
    const { sha256: expected, ...rest } = JSON.parse(await readFile(path, "utf8")) as { sha256?: unknown };
    if (hash(JSON.stringify(rest)) !== expected) throw new Error("its checksum is not that of its content");
    return manifestSchema.parse(rest);
  } catch (error) {
    throw new CheckpointError("CHECKPOINT_DAMAGED", `${path} is damaged: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

function hash(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
