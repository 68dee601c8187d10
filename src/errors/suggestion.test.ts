import { describe, expect, it } from "vitest";
import { closestName } from "./suggestion.ts";

const NAMES = ["hiddenSize", "numHeads", "numLayers", "eps", "kind"];

describe("closestName", () => {
  it.each([
    ["hiddenSize", "hiddenSize"],
    ["hidden_size", "hiddenSize"],
    ["NUM-LAYERS", "numLayers"],
    ["hidenSize", "hiddenSize"],
    ["numHaeds", "numHeads"],
    ["epz", "eps"],
    ["knid", "kind"],
    ["layers", undefined],
    ["xyz", undefined],
    ["", undefined],
  ])("finds for %j %j", (name, expected) => {
    expect(closestName(name, NAMES)).toBe(expected);
  });
});
