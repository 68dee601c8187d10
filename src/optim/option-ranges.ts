import { OptionError } from "../errors/option-error.ts";

/** @throws OptionError unless each of these options is at least 0 */
export function checkNotNegative<Name extends string>(
  kind: string,
  options: Readonly<Record<Name, number>>,
  names: readonly Name[],
): void {
  for (const name of names) checkOption(kind, name, options[name], "at least 0", options[name] >= 0);
}

/** @throws OptionError unless both are at least 0 and under 1 */
export function checkBetas(kind: string, betas: readonly number[]): void {
  for (const beta of betas) checkOption(kind, "betas", beta, "at least 0 and under 1", beta >= 0 && beta < 1);
}

/** @throws OptionError unless `isAllowed` */
export function checkOption(
  optimizer: string,
  name: string,
  value: number,
  rule: string,
  isAllowed: boolean,
): void {
  if (!isAllowed) throw new OptionError(`${name} of ${optimizer} must be ${rule}; got ${value}`);
}
