import { expect, test } from "vitest";
import { schedules } from "../../schedule/index.ts";
import { MARKS } from "./marks.ts";

test("every schedule has a form and a colour of its own", () => {
  expect(MARKS).toHaveLength(schedules.length + 1);
  expect(new Set(MARKS.map(({ colour }) => colour)).size).toBe(MARKS.length);
  expect(new Set(MARKS.map(({ corners }) => JSON.stringify(corners))).size).toBe(MARKS.length);
});
