import { DualPipeError } from "../../errors/dualpipe-error.ts";

export type ConfigErrorCode =
  | "CONFIG_UNREADABLE"
  | "CONFIG_BAD_YAML"
  | "CONFIG_BAD_OVERRIDE"
  | "CONFIG_INVALID";

/** One thing that is wrong: the path of the key, such as "model.hiddenSize", and what to change. */
export interface ConfigIssue {
  readonly path: string;
  readonly problem: string;
}

/** A configuration cannot be used; lists everything that is wrong with it. */
export class ConfigError extends DualPipeError<ConfigErrorCode> {
  override readonly name = "ConfigError";
  /** What is wrong, when the code is CONFIG_INVALID. */
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
