import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import type { Document, LineCounter } from "yaml";
import { ConfigError, type ConfigIssue } from "./config-error.ts";
import { describeIssues } from "./issues.ts";
import { checkRules } from "./rules.ts";
import { configSchema, type TrainConfig } from "./schema.ts";

export { ConfigError, type ConfigErrorCode, type ConfigIssue } from "./config-error.ts";
export type { TrainConfig } from "./schema.ts";
export { batchShapeOf, modelContextOf, numRanks, numStages } from "./sizes.ts";

const require = createRequire(import.meta.url);

/** Loaded with the first configuration, since `import "dualpipe"` must not wait for it. */
const yaml = () => require("yaml") as typeof import("yaml");

/**
 * Reads a configuration file, applies overrides, checks it and fills in all defaults.
 * @param overrides Such as "model.hiddenSize=256", with the value in YAML; a later one wins.
 * @throws ConfigError that lists everything that is wrong.
 */
export async function loadConfig(path: string, overrides: readonly string[] = []): Promise<TrainConfig> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    throw new ConfigError("CONFIG_UNREADABLE", `${path} cannot be read: ${(error as Error).message}`, [], {
      cause: error,
    });
  }
  return parseConfig(text, overrides, path);
}

/** Like `loadConfig`, for the text of a configuration. @param file The name of the text in messages. */
export function parseConfig(text: string, overrides: readonly string[] = [], file = "config"): TrainConfig {
  const lines = new (yaml().LineCounter)();
  const document = yaml().parseDocument(text, { lineCounter: lines, prettyErrors: true });
  const [yamlError] = document.errors;
  if (yamlError !== undefined) {
    throw new ConfigError("CONFIG_BAD_YAML", `${file}: ${yamlError.message.trim()}`);
  }
  for (const override of overrides) {
    applyOverride(document, override);
  }
  const given = toPlain(document, file) ?? {};
  const result = configSchema().safeParse(given);
  const issues = result.success ? checkRules(result.data) : describeIssues(result.error.issues, given);
  if (!result.success || issues.length > 0) {
    const list = issues.map((issue) => `${locationOf(issue, document, lines, file)}: ${formatIssue(issue)}`);
    throw new ConfigError("CONFIG_INVALID", list.join("\n"), issues);
  }
  return result.data;
}

/** The configuration as YAML that `parseConfig` reads back, so that a run can keep the values it used. */
export function formatConfig(config: TrainConfig): string {
  return yaml().stringify(config);
}

function applyOverride(document: Document.Parsed, override: string): void {
  const separator = override.indexOf("=");
  const path = override.slice(0, Math.max(separator, 0)).split(".");
  if (path.some((key) => key === "")) {
    throw badOverride(override, "must be KEY=VALUE, e.g. --set model.hiddenSize=256");
  }
  try {
    const value: unknown = yaml().parse(override.slice(separator + 1));
    makeEmptySections(document, path);
    document.setIn(path, document.createNode(value));
  } catch (error) {
    throw badOverride(override, `cannot be set: ${(error as Error).message.trim()}`);
  }
}

/** Replaces sections without keys, which are null in YAML, so that a key can be put into them. */
function makeEmptySections(document: Document.Parsed, path: readonly string[]): void {
  for (let length = 0; length < path.length; length++) {
    const prefix = path.slice(0, length);
    const node = length === 0 ? document.contents : document.getIn(prefix, true);
    if (yaml().isScalar(node) && node.value === null) {
      document.setIn(prefix, document.createNode({}));
    }
  }
}

function badOverride(override: string, problem: string): ConfigError {
  return new ConfigError("CONFIG_BAD_OVERRIDE", `--set ${override}: ${problem}`);
}

function toPlain(document: Document.Parsed, file: string): unknown {
  try {
    return document.toJS();
  } catch (error) {
    // YAML refuses aliases without an anchor, and aliases that expand without limit.
    throw new ConfigError("CONFIG_BAD_YAML", `${file}: ${(error as Error).message}`);
  }
}

/** "config.yaml:12" for a value in the file; only the file's name for a value from a default or from --set. */
function locationOf(issue: ConfigIssue, document: Document.Parsed, lines: LineCounter, file: string): string {
  const node = issue.path === "" ? document.contents : document.getIn(issue.path.split("."), true);
  const offset = yaml().isNode(node) ? node.range?.[0] : undefined;
  return offset === undefined ? file : `${file}:${lines.linePos(offset).line}`;
}

function formatIssue({ path, problem }: ConfigIssue): string {
  return path === "" ? problem : `${path}: ${problem}`;
}
