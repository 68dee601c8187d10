import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { z } from "zod";
import { describeSystemError } from "../../errors/system-error.ts";
import { writeFileAtomically } from "../../files/atomic-file.ts";
import { zod } from "../../models/config-values.ts";
import { configSchema } from "../config/schema.ts";
import { CheckpointError } from "./checkpoint-error.ts";

/** The file that makes a folder a checkpoint; written last. */
export const MANIFEST_FILE = "manifest.json";
export const TOKENIZER_FILE = "tokenizer.json";

const count = zod().int().min(0);
const sha256 = zod()
  .string()
  .regex(/^[0-9a-f]{64}$/);

const manifestFileSchema = zod().object({
  name: zod()
    .string()
    .regex(/^[\w-]+\.\w+$/),
  bytes: count,
  sha256,
});

const manifestSchema = zod().object({
  format: zod().literal("dualpipe-checkpoint"),
  version: zod().literal(1),
  /** The number of steps done. */
  step: count,
  /** The position in the data: how many sequences were trained on, and a checksum of the tokens. */
  data: zod().object({ sequences: count, tokensSha256: sha256 }),
  config: configSchema(),
  files: zod().array(manifestFileSchema),
});

/** Describes a checkpoint and lists its files, except the manifest itself. */
export type Manifest = z.infer<typeof manifestSchema>;
export type ManifestFile = Manifest["files"][number];

/** Whether a value that may be anything describes a file of a checkpoint. */
export function isManifestFile(value: unknown): value is ManifestFile {
  return manifestFileSchema.safeParse(value).success;
}

/** Writes the manifest with a checksum of itself. */
export async function writeManifest(folder: string, manifest: Manifest): Promise<void> {
  const text = JSON.stringify({ ...manifest, sha256: hash(JSON.stringify(manifest)) }, undefined, 2);
  await writeFileAtomically(join(folder, MANIFEST_FILE), (file) => file.writeFile(`${text}\n`));
}

/** @throws CheckpointError when the manifest is missing or was changed */
export async function readManifest(folder: string): Promise<Manifest> {
  const path = join(folder, MANIFEST_FILE);
  const damaged = (problem: string, cause?: unknown) =>
    new CheckpointError("CHECKPOINT_DAMAGED", `${path} is damaged: ${problem}`, { cause });
  let content: unknown;
  let isWhole: boolean;
  try {
    const { sha256: expected, ...rest } = JSON.parse(await readFile(path, "utf8")) as { sha256?: unknown };
    content = rest;
    isWhole = hash(JSON.stringify(rest)) === expected;
  } catch (error) {
    throw damaged(describeSystemError(error as Error), error);
  }
  if (!isWhole) throw damaged("its checksum does not match its content");
  const result = manifestSchema.safeParse(content);
  if (!result.success) throw damaged(result.error.message, result.error);
  return result.data;
}

function hash(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
