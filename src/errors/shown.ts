const LENGTH_MAX = 60;

/**
 * A value as a message shows it: JSON, cut off where it is long. A value that may be anything may also contain itself,
 * or be nested more deeply than JSON can be written, and the message must be written all the same.
 */
export function shown(value: unknown): string {
  const text = textOf(value);
  return text.length > LENGTH_MAX ? `${text.slice(0, LENGTH_MAX)}…` : text;
}

function textOf(value: unknown): string {
  if (typeof value === "number" || typeof value === "bigint") return String(value);
  try {
    return JSON.stringify(value) ?? String(value);
  } catch (error) {
    return error instanceof RangeError ? "a value that is nested too deeply" : "a value that contains itself";
  }
}
