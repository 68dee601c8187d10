import { readFile } from "node:fs/promises";
import { type Document, isNode, isScalar, LineCounter, parse, parseDocument, stringify } from "yaml";
import { ConfigError, type ConfigIssue } from "./config-error.ts";
import { describeIssues } from "./issues.ts";
import { checkRules } from "./rules.ts";
import { configSchema, type TrainConfig } from "./schema.ts";

export { ConfigError, type ConfigErrorCode, type ConfigIssue } from "./config-error.ts";
export type { TrainConfig } from "./schema.ts";
export { batchShapeOf, modelContextOf, numRanks, numStages } from "./sizes.ts";

/**
 * Reads a configuration file, with overrides ("model.hiddenSize=256", the value in YAML; a later one wins),
 * checks it and fills in all defaults.
 *
 * @throws {ConfigError} that lists all that is wrong.
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

/** As `loadConfig`, of a text; `file` is how messages call it. */
export function parseConfig(text: string, overrides: readonly string[] = [], file = "config"): TrainConfig {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: true });
  const [yamlError] = document.errors;
  if (yamlError !== undefined) {
    throw new ConfigError("CONFIG_BAD_YAML", `${file}: ${yamlError.message.trim()}`);
  }
  for (const override of overrides) {
    applyOverride(document, override);
  }
  const given = toPlain(document, file) ?? {};
  const result = configSchema.safeParse(given);
  const issues = result.success ? checkRules(result.data) : describeIssues(result.error.issues, given);
  if (!result.success || issues.length > 0) {
    const list = issues.map((issue) => `${placeOf(issue, document, lines, file)}: ${formatIssue(issue)}`);
    throw new ConfigError("CONFIG_INVALID", list.join("\n"), issues);
  }
  return result.data;
}

/** The configuration as YAML that `parseConfig` reads back, for a run to keep what it really used. */
export function formatConfig(config: TrainConfig): string {
  return stringify(config);
}

function applyOverride(document: Document.Parsed, override: string): void {
  const separator = override.indexOf("=");
  const path = override.slice(0, Math.max(separator, 0)).split(".");
  if (path.some((key) => key === "")) {
    throw badOverride(override, "must be KEY=VALUE, e.g. --set model.hiddenSize=256");
  }
  try {
    const value: unknown = parse(override.slice(separator + 1));
    makeEmptySections(document, path);
    document.setIn(path, document.createNode(value));
  } catch (error) {
    throw badOverride(override, `cannot be set: ${(error as Error).message.trim()}`);
  }
}

/** A section without keys is null in YAML, and null has nowhere to put a key. */
function makeEmptySections(document: Document.Parsed, path: readonly string[]): void {
  for (let length = 0; length < path.length; length++) {
    const prefix = path.slice(0, length);
    const node = length === 0 ? document.contents : document.getIn(prefix, true);
    if (isScalar(node) && node.value === null) {
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
    // YAML refuses aliases that grow beyond measure, or that have no anchor.
    throw new ConfigError("CONFIG_BAD_YAML", `${file}: ${(error as Error).message}`);
  }
}

/** "config.yaml:12" where the value stands in the file, only its name where a default or --set gave it. */
function placeOf(issue: ConfigIssue, document: Document.Parsed, lines: LineCounter, file: string): string {
  const node = issue.path === "" ? document.contents : document.getIn(issue.path.split("."), true);
  const offset = isNode(node) ? node.range?.[0] : undefined;
  return offset === undefined ? file : `${file}:${lines.linePos(offset).line}`;
}

function formatIssue({ path, problem }: ConfigIssue): string {
  return path === "" ? problem : `${path}: ${problem}`;
}
