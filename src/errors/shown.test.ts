import { expect, test } from "vitest";
import { shown } from "./shown.ts";

const loop: unknown[] = [];
loop.push(loop);

test.each([
  ["a text", "a\n", '"a\\n"'],
  ["a large whole number", 10n, "10"],
  ["no number", Number.NaN, "NaN"],
  ["nothing", undefined, "undefined"],
  ["a function", Math.max, String(Math.max)],
  ["a long list", Array(100).fill(1), `${JSON.stringify(Array(100).fill(1)).slice(0, 60)}…`],
  ["what contains itself", loop, "a value that contains itself"],
  [
    "what is nested deeply",
    JSON.parse("[".repeat(1e5) + "]".repeat(1e5)),
    "a value that is nested too deeply",
  ],
])("%s is shown in a message", (_what, value, text) => {
  expect(shown(value)).toBe(text);
});
