import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { unigramLoss } from "./corpus.ts";

const VOCAB_SIZE = 5;
const tokens = fc.array(fc.nat(VOCAB_SIZE - 1), { minLength: 1, maxLength: 50 });

describe("unigramLoss", () => {
  it("is the mean of -log((count + 1) / (all + vocabulary))", () => {
    // Counts plus one: 3, 2, 1, 1 of 7.
    const expected = -(Math.log(3 / 7) + Math.log(1 / 7)) / 2;
    expect(unigramLoss([0, 0, 1], [0, 3], 4)).toBeCloseTo(expected, 12);
  });

  it("is log(vocabulary) without any text", () => {
    fc.assert(
      fc.property(tokens, (text) => {
        expect(unigramLoss([], text, VOCAB_SIZE)).toBeCloseTo(Math.log(5), 12);
      }),
    );
  });

  it("gives every token the same weight and forgets their order", () => {
    fc.assert(
      fc.property(tokens, tokens, (train, validation) => {
        const loss = unigramLoss(train, validation, VOCAB_SIZE);
        const single = validation.map((token) => unigramLoss([...train].reverse(), [token], VOCAB_SIZE));
        expect(single.reduce((sum, value) => sum + value, 0) / single.length).toBeCloseTo(loss, 12);
      }),
    );
  });
});
