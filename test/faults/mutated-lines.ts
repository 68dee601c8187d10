import type { RandomNumbers } from "./random-numbers.ts";

/** Values that a parser may not expect, as JSON. */
const VALUES = [
  "null",
  "true",
  "0",
  "-1",
  "1e999",
  "0.5",
  "9007199254740993",
  '""',
  '"others"',
  '"\\u0000"',
  "[]",
  "{}",
  '{"kind":"leave"}',
  '{"__proto__":{"kind":"join"}}',
  '{"kind":"constructor"}',
  '{"kind":["join"]}',
  `${"[".repeat(20_000)}${"]".repeat(20_000)}`,
  '"'.padEnd(100_000, "x"),
];

/** An endless source of lines, none of which is valid except by chance: random values and mutations of valid lines. */
export function* mutatedLines(valid: readonly object[], random: RandomNumbers): Generator<Buffer, never> {
  for (;;) {
    const kind = random.below(4);
    if (kind === 0) yield Buffer.from(random.pick(VALUES));
    else if (kind === 1) yield randomBytes(random);
    else if (kind === 2) yield withOtherBytes(JSON.stringify(random.pick(valid)), random);
    else yield Buffer.from(withOtherValue(random.pick(valid), random));
  }
}

function randomBytes(random: RandomNumbers): Buffer {
  return Buffer.from(Array.from({ length: random.below(200) }, () => random.below(256))).subarray(0, 200);
}

/** The text with some of its bytes changed, removed or repeated. */
function withOtherBytes(text: string, random: RandomNumbers): Buffer {
  let bytes = Buffer.from(text);
  for (let i = random.below(4); i >= 0; i--) {
    const at = random.below(bytes.length);
    const to = Math.min(bytes.length, at + random.below(8));
    const middle = random.pick([
      Buffer.from([random.below(256)]),
      Buffer.alloc(0),
      Buffer.concat([bytes.subarray(at, to), bytes.subarray(at, to)]),
    ]);
    bytes = Buffer.concat([bytes.subarray(0, at), middle, bytes.subarray(to)]);
    if (bytes.length === 0) break;
  }
  return bytes;
}

/** The object with one of its fields, at any depth, replaced or removed. */
function withOtherValue(valid: object, random: RandomNumbers): string {
  const copy = structuredClone(valid) as Record<string, unknown>;
  let inside = copy;
  for (;;) {
    const key = random.pick(Object.keys(inside));
    const child = inside[key];
    if (
      typeof child === "object" &&
      child !== null &&
      Object.keys(child).length > 0 &&
      random.below(2) === 0
    ) {
      inside = child as Record<string, unknown>;
      continue;
    }
    if (random.below(4) === 0) delete inside[key];
    else inside[key] = "REPLACED";
    return JSON.stringify(copy).replace('"REPLACED"', () => random.pick(VALUES));
  }
}
