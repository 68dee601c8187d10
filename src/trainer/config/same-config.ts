import { createHash } from "node:crypto";
import { ConfigError } from "./config-error.ts";
import type { TrainConfig } from "./schema.ts";

/** The sections that every rank follows; the others matter to process 0 alone, or to each process by itself. */
const SHARED_SECTIONS = [
  "model",
  "pipeline",
  "training",
  "optimizer",
  "learningRateSchedule",
  "validation",
  "checkpoint",
] as const satisfies readonly (keyof TrainConfig)[];

const VALUE_LENGTH_MAX = 60;

/**
 * Checks that this process trains what process 0 does: each reads a file of its own, and ranks that differ would spoil
 * each other's training without a sign.
 * @throws ConfigError CONFIG_DIFFERS
 */
export function checkSameConfig(own: TrainConfig, first: TrainConfig): void {
  const differences = SHARED_SECTIONS.flatMap((name) => {
    const [here, there] = [own[name], first[name]] as unknown as [Section, Section];
    return [...new Set([...Object.keys(here), ...Object.keys(there)])]
      .filter((key) => inWords(here[key]) !== inWords(there[key]))
      .map(
        (key) => `${name}.${key} is ${shortened(there[key])} in process 0 and ${shortened(here[key])} here`,
      );
  });
  if (differences.length === 0) return;
  throw new ConfigError(
    "CONFIG_DIFFERS",
    `all processes of a run must have the same configuration; ${differences.join("; ")}; start them with the same file and options`,
  );
}

/** A short text that differs for configurations that `checkSameConfig` would refuse to mix. */
export function checksumOfShared(config: TrainConfig): string {
  const hash = createHash("sha256");
  for (const name of SHARED_SECTIONS) {
    const section = config[name] as unknown as Section;
    for (const key of Object.keys(section).sort()) hash.update(`${name}.${key}=${inWords(section[key])}\n`);
  }
  return hash.digest("hex").slice(0, 8);
}

type Section = Readonly<Record<string, unknown>>;

/** A value as text; a program is its text, as hosts may keep its file in different places. */
const inWords = (value: unknown) =>
  JSON.stringify(typeof value === "object" && value !== null && "csv" in value ? value.csv : value) ??
  "missing";

function shortened(value: unknown): string {
  const text = inWords(value);
  return text.length > VALUE_LENGTH_MAX ? `${text.slice(0, VALUE_LENGTH_MAX)}…` : text;
}
