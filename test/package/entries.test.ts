import * as dualpipe from "dualpipe";
import * as data from "dualpipe/data";
import * as nn from "dualpipe/nn";
import * as ops from "dualpipe/ops";
import * as optim from "dualpipe/optim";
import { expect, test } from "vitest";

test.each([
  ["data", data, dualpipe.data, "DataLoader"],
  ["nn", nn, dualpipe.nn, "Conv2d"],
  ["ops", ops, dualpipe.ops, "differentiable"],
  ["optim", optim, dualpipe.optim, "AdamW"],
] as const)(
  '"dualpipe/%s" is the namespace of the same name, and part of "dualpipe"',
  (_, entry, namespace, name) => {
    expect(Object.keys(entry)).toContain(name);
    expect({ ...entry }).toEqual({ ...namespace });
    for (const key of Object.keys(entry))
      expect((dualpipe as Record<string, unknown>)[key], key).toBe((entry as Record<string, unknown>)[key]);
  },
);
