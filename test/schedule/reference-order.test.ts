import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { buildProgram, buildReferenceOrder, formatProgram, type Program } from "../../src/schedule/index.ts";

interface RecordedOrder {
  schedule: string;
  ranks: number;
  microBatches: number;
  forwardOnly: boolean;
  computations: string | string[];
  withCommunication: string | string[];
}

// Written by golden/record.py, which runs the reference implementation.
const recorded = JSON.parse(
  readFileSync(new URL("golden/reference-orders.json", import.meta.url), "utf8"),
) as RecordedOrder[];

function expectOrder(program: Program, order: string | string[]): void {
  const lines = formatProgram(program).map((actions) => actions.join(" "));
  if (typeof order !== "string") expect(lines).toEqual(order);
  else expect(createHash("sha256").update(lines.join("\n")).digest("hex").slice(0, 16)).toBe(order);
}

describe.each([
  ["dualpipe", 146],
  ["dualpipev", 282],
])("%s, in every recorded size", (schedule, count) => {
  const orders = recorded.filter((order) => order.schedule === schedule);
  const sizesOf = ({ ranks, microBatches, forwardOnly }: RecordedOrder) => ({
    numRanks: ranks,
    numMicroBatches: microBatches,
    forwardOnly,
  });

  it("has records of training and of forward-only steps", () => {
    expect(orders.length).toBe(count);
    expect(orders.filter((order) => order.forwardOnly).length).toBe(count / 2);
  });

  it("computes in the reference's order", () => {
    for (const order of orders) expectOrder(buildProgram(schedule, sizesOf(order)), order.computations);
  });

  it("communicates in the reference's order when asked to", () => {
    for (const order of orders) {
      expectOrder(buildReferenceOrder(schedule, sizesOf(order)), order.withCommunication);
    }
  });
});
