import { readFile } from "node:fs/promises";
import { DualPipeError, problemOf } from "../../errors/dualpipe-error.ts";
import { fileErrorOf } from "../../files/file-error.ts";
import { ConfigError, type ConfigIssue } from "./config-error.ts";
import { withFittingDefaults } from "./fitting-defaults.ts";
import { describeIssues } from "./issues.ts";
import { nameOf, type Override, parseOverride, withOverride } from "./override.ts";
import { checkRules } from "./rules.ts";
import { configSchema, type TrainConfig } from "./schema.ts";
import { YamlText, yaml } from "./yaml-text.ts";

export { ConfigError, type ConfigErrorCode, type ConfigIssue } from "./config-error.ts";
export { scheduleName, scheduleOf } from "./schedule-file.ts";
export type { TrainConfig } from "./schema.ts";
export { batchShapeOf, modelContextOf, numRanks, numStages } from "./sizes.ts";

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
    const problem = problemOf(fileErrorOf(`the configuration ${path} cannot be read`, error));
    throw new ConfigError("CONFIG_UNREADABLE", problem, [], { cause: error });
  }
  return parseConfig(text, overrides, path);
}

/**
 * Like `loadConfig`, for the text of a configuration.
 * @param file The name of the text in messages; the path of a schedule starts at its folder.
 */
export function parseConfig(text: string, overrides: readonly string[] = [], file = "config"): TrainConfig {
  const source = new YamlText(text, file);
  const applied = overrides.map(parseOverride);
  const given = applied.reduce(withOverride, source.value);
  const { config, issues } = checked(given, file);
  if (config !== undefined && issues.length === 0) return config;
  const locations = issues.map((issue) => locate(issue, source, applied));
  const list = issues.map((issue, i) => describe(issue, locations[i]!, file));
  const isInText = locations.some((location) => typeof location !== "object");
  throw new ConfigError(isInText ? "CONFIG_INVALID" : "CONFIG_BAD_OVERRIDE", list.join("\n"), issues);
}

/** The configuration as YAML that `parseConfig` reads back, so that a run can keep the values it used. */
export function formatConfig(config: TrainConfig): string {
  return yaml().stringify(config, { lineWidth: 0 });
}

/** Fills in and checks the values; the configuration is undefined where a value alone is wrong. */
function checked(given: unknown, file: string): { config?: TrainConfig; issues: readonly ConfigIssue[] } {
  let filled: unknown;
  try {
    filled = withFittingDefaults(given, file);
  } catch (error) {
    if (!(error instanceof DualPipeError)) throw error;
    return { issues: [{ path: "pipeline.schedule", problem: error.problem }] };
  }
  const result = configSchema().safeParse(filled);
  if (!result.success) return { issues: describeIssues(result.error.issues, filled) };
  return { config: result.data, issues: checkRules(result.data) };
}

/** The override that an issue comes from, or its line; undefined for a default. */
function locate(
  { path, keys = [path] }: ConfigIssue,
  source: YamlText,
  overrides: readonly Override[],
): Override | number | undefined {
  const paths = keys.map((key) => (key === "" ? [] : key.split(".")));
  const isAbout = (override: Override) =>
    paths.some((path) => path.length > 0 && path.every((key, i) => (override.path[i] ?? key) === key));
  const override = overrides.findLast(isAbout);
  if (override !== undefined) return override;
  for (const keys of paths) {
    const line = source.lineOf(keys);
    if (line !== undefined) return line;
  }
  return undefined;
}

function describe(
  { path, problem }: ConfigIssue,
  location: Override | number | undefined,
  file: string,
): string {
  const isOverride = typeof location === "object";
  const place = isOverride ? nameOf(location) : location === undefined ? file : `${file}:${location}`;
  const isNamed = path === "" || (isOverride && location.path.join(".") === path);
  return isNamed ? `${place}: ${problem}` : `${place}: ${path}: ${problem}`;
}
