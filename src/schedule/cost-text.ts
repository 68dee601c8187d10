import type { CostModel, PerStage } from "./cost.ts";
import { ScheduleError } from "./schedule-error.ts";

const COMPUTATIONS = ["F", "I", "W", "B", "FB"] as const;
const NUMBERS = ["link", "bandwidth", "bytes"] as const;
const KEYS: readonly string[] = [...COMPUTATIONS, ...NUMBERS];

function fail(text: string): never {
  throw new ScheduleError(
    "invalid-cost",
    `cost: must be a list of KEY=NUMBER with the keys ${KEYS.join(", ")}, where one number per stage is written ` +
      `with slashes; got ${JSON.stringify(text.slice(0, 60))}; write for example F=1,I=1,W=1,FB=3,link=0.3 or F=1/2/1/1`,
  );
}

function parseNumbers(text: string): PerStage {
  const numbers = text
    .split("/")
    .map((part) => (/^[\d.]+(e[+-]?\d+)?$/i.test(part) ? Number(part) : Number.NaN));
  if (numbers.some((value) => !Number.isFinite(value))) fail(text);
  return numbers.length === 1 ? numbers[0]! : numbers;
}

/**
 * Reads a cost model such as `F=1,I=1,W=1,FB=3,link=0.3,bandwidth=100,bytes=20`. F, I and W are 1 unless given,
 * and the link takes no time.
 * @throws ScheduleError `invalid-cost`
 */
export function parseCost(text: string): CostModel {
  const values = new Map<string, PerStage>();
  for (const entry of text.split(",").filter((part) => part.trim() !== "")) {
    const [key, numbers, ...rest] = entry.split("=").map((part) => part.trim());
    if (key === undefined || numbers === undefined || rest.length > 0) fail(entry);
    if (!KEYS.includes(key) || values.has(key)) fail(entry);
    values.set(key, parseNumbers(numbers));
  }
  const number = (key: (typeof NUMBERS)[number]): number | undefined => {
    const value = values.get(key);
    return value === undefined || typeof value === "number" ? value : fail(`${key}=${value.join("/")}`);
  };
  const latency = number("link") ?? 0;
  const bandwidth = number("bandwidth");
  const bytes = number("bytes");
  const B = values.get("B");
  const FB = values.get("FB");
  return {
    F: values.get("F") ?? 1,
    I: values.get("I") ?? 1,
    W: values.get("W") ?? 1,
    ...(B === undefined ? {} : { B }),
    ...(FB === undefined ? {} : { FB }),
    link: bandwidth === undefined ? { latency } : { latency, bandwidth },
    ...(bytes === undefined ? {} : { activationBytes: bytes }),
  };
}
