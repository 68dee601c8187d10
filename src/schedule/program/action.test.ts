import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Action, formatAction, parseAction } from "./action.ts";
import { ActionList } from "./action-list.ts";

const index = fc.nat({ max: 999 });
const simple = fc.record({
  kind: fc.constantFrom("F", "I", "W", "B", "SEND_F", "RECV_F", "SEND_B", "RECV_B"),
  stage: index,
  microBatch: index,
});
const pair = fc.record({
  kind: fc.constant("OVERLAP_F_B"),
  forward: fc.record({ kind: fc.constant("F"), stage: index, microBatch: index }),
  backward: fc.record({ kind: fc.constant("B"), stage: index, microBatch: index }),
});
const action = fc.oneof(simple, pair) as fc.Arbitrary<Action>;

describe("notation", () => {
  it("reads what torch.distributed.pipelining writes", () => {
    expect(parseAction("2F7")).toEqual({ kind: "F", stage: 2, microBatch: 7 });
    expect(parseAction("10SEND_B31")).toEqual({ kind: "SEND_B", stage: 10, microBatch: 31 });
    expect(parseAction("(2F7;5B1)OVERLAP_F_B")).toEqual({
      kind: "OVERLAP_F_B",
      forward: { kind: "F", stage: 2, microBatch: 7 },
      backward: { kind: "B", stage: 5, microBatch: 1 },
    });
  });

  it("comes back from text as it was", () => {
    fc.assert(
      fc.property(action, (value) => {
        expect(parseAction(formatAction(value))).toEqual(value);
      }),
    );
  });

  it.each(["", "F", "2F", "F7", "2X7", "-1F2", "2F7 ", "(2F7;5F1)OVERLAP_F_B", "2F99999999999"])(
    "rejects %j and says what is read",
    (text) => expect(() => parseAction(text)).toThrow(/action: must be STAGE.*2F7/),
  );
});

describe("packed list", () => {
  it("gives back the actions that went in", () => {
    fc.assert(
      fc.property(fc.array(action, { maxLength: 200 }), (actions) => {
        const list = ActionList.from(actions, 1000);
        expect([...list]).toEqual(actions);
        expect(list.length).toBe(actions.length);
      }),
    );
  });

  it("rejects a micro-batch that the step does not have", () => {
    expect(() => ActionList.from([parseAction("0F4")], 4)).toThrow(/micro-batch must be under 4/);
  });

  it("throws beyond its end", () => {
    expect(() => ActionList.from([], 4).at(0)).toThrow(
      /^dualpipe: action: the index must be .* under 0; got 0/,
    );
  });
});
