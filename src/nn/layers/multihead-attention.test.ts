import { expect, test } from "vitest";
import { failOnLeaks } from "../../../test/leak-guard.ts";
import { triu } from "../../autograd/library/indexing.ts";
import { mean } from "../../autograd/operators/reduction.ts";
import { Runtime } from "../../tensor/runtime.ts";
import { MultiheadAttention, type MultiheadAttentionOptions } from "./multihead-attention.ts";

const runtime = Runtime.load();
failOnLeaks(runtime);

const attention = (options: MultiheadAttentionOptions) => new MultiheadAttention(runtime, 8, 2, options);

test("attention returns the weights of each head when they are not averaged", () => {
  runtime.scope(() => {
    const weightsOf = (averageAttnWeights: boolean) => {
      runtime.seed(0);
      using layer = attention({ batchFirst: true, needWeights: true, averageAttnWeights });
      const x = runtime.randn([2, 5, 8]);
      const causal = triu(runtime.ones([5, 5], "bool"), 1);
      const padding = runtime.tensor([0, 0, 0, 0, 0, 0, 0, 0, 1, 1], [2, 5], "bool");
      return layer.call(x, x, x, padding, causal)[1]!;
    };
    const ofHeads = weightsOf(false);
    expect(ofHeads.shape).toEqual([2, 2, 5, 5]);
    const expected = weightsOf(true).toArray();
    for (const [i, value] of mean(ofHeads, [1]).toArray().entries())
      expect(value).toBeCloseTo(expected[i]!, 6);
  });
});

test("masks of other shapes are refused, with the shapes that fit", () => {
  runtime.scope(() => {
    using layer = attention({ batchFirst: true });
    const [x, keys] = [runtime.randn([3, 4, 8]), runtime.randn([3, 5, 8])];
    const mask = (...shape: number[]) => runtime.zeros(shape, "bool");
    expect(() => layer.call(x, keys, keys, mask(5, 3))).toThrow(/keyPaddingMask must be \[3, 5\].*\[5, 3\]/);
    for (const attnMask of [mask(5, 4), mask(3, 4, 5)])
      expect(() => layer.call(x, keys, keys, null, attnMask)).toThrow(
        /attnMask must be \[4, 5\] or \[6, 4, 5\]/,
      );
    expect(layer.call(x, keys, keys, mask(3, 5), mask(6, 4, 5))[0].shape).toEqual([3, 4, 8]);
  });
});
