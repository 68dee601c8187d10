import { expect, test } from "vitest";
import { schedules } from "../../schedule/index.ts";
import { type ConfigError, parseConfig } from "./config.ts";

test.each(schedules.map(({ name }) => name))(
  "pipeline.schedule=%s alone is a run, on any number of ranks",
  (name) => {
    for (const ranks of [undefined, 1, 2, 6, 8, 16]) {
      if (name === "dualpipe" && ranks === 1) continue;
      const overrides = [
        `pipeline.schedule=${name}`,
        ...(ranks === undefined ? [] : [`pipeline.ranks=${ranks}`]),
      ];
      const { model, pipeline } = parseConfig("", overrides);
      expect(pipeline.schedule).toBe(name);
      expect(model.tieEmbeddings).toBe(
        ["dualpipe", "dualpipev", "zbv", "v-min", "v-half"].includes(name) || ranks === 1,
      );
    }
  },
);

test("defaults follow what is given, and stay as they are where they suit", () => {
  expect(parseConfig("")).toMatchObject({
    model: { numLayers: 8, hiddenSize: 128, tieEmbeddings: true },
    pipeline: { ranks: 4, microBatches: 8 },
  });
  expect(parseConfig("pipeline: {ranks: 10}\nmodel: {numHeads: 6}")).toMatchObject({
    model: { numLayers: 10, hiddenSize: 132 },
    pipeline: { microBatches: 20 },
  });
});

test("tieEmbeddings: auto leaves it to the schedule; true is refused where it cannot be", () => {
  const tied = (schedule: string, value: string) =>
    parseConfig(`pipeline: {schedule: ${schedule}}\nmodel: {tieEmbeddings: ${value}}`).model.tieEmbeddings;
  expect([tied("dualpipe", "auto"), tied("gpipe", "auto"), tied("dualpipe", "false")]).toEqual([
    true,
    false,
    false,
  ]);
  expect(() => tied("gpipe", "true")).toThrow("use auto or false");
  expect(() => tied("gpipe", "maybe")).toThrow('must be true, false or auto; got "maybe"');
});

test("values that are wrong are blamed, not the defaults that would follow them", () => {
  for (const [text, path] of [
    ["pipeline: {ranks: x}", "pipeline.ranks"],
    ["pipeline: {schedule: none}", "pipeline.schedule"],
    ["pipeline: 5", "pipeline"],
    ["model: {numHeads: 0}", "model.numHeads"],
    ["model: {kind: none}", "model.kind"],
    ["model: {tieEmbeddings: auto}\npipeline: {ranks: 3}", "pipeline"],
  ] as const) {
    try {
      parseConfig(text);
      expect.fail(text);
    } catch (error) {
      expect(
        (error as ConfigError).issues.map((issue) => issue.path),
        text,
      ).toEqual([path]);
    }
  }
});
