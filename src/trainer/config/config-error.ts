import { DualPipeError } from "../../errors/dualpipe-error.ts";

export type ConfigErrorCode =
  | "CONFIG_UNREADABLE"
  | "CONFIG_BAD_YAML"
  /** What is wrong is in overrides alone. */
  | "CONFIG_BAD_OVERRIDE"
  | "CONFIG_INVALID"
  /** The processes of a run have different configurations. */
  | "CONFIG_DIFFERS";

/** One thing that is wrong: the path of the key, such as "model.hiddenSize", and what to change. */
export interface ConfigIssue {
  readonly path: string;
  readonly problem: string;
  /** The keys whose values do not go together, where it is not that of the path alone. */
  readonly keys?: readonly string[];
}

/** A configuration cannot be used; lists everything that is wrong with it. */
export class ConfigError extends DualPipeError<ConfigErrorCode> {
  override readonly name = "ConfigError";
  /** What is wrong with the values. */
  readonly issues: readonly ConfigIssue[];

  constructor(
    code: ConfigErrorCode,
    problem: string,
    issues: readonly ConfigIssue[] = [],
    options?: ErrorOptions,
  ) {
    super(code, problem, options);
    this.issues = issues;
  }
}
