import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { failOnLeaks } from "../../test/leak-guard.ts";
import { requiresGrad } from "../autograd/graph.ts";
import { OptionError } from "../errors/option-error.ts";
import { fillNormal } from "../nn/initial.ts";
import { Runtime } from "../tensor/runtime.ts";
import { generate } from "./generate.ts";
import type { GptConfig, GptStage } from "./gpt/gpt.ts";
import { gptStages } from "./gpt/stages.ts";

const config: GptConfig = { vocabSize: 11, contextLength: 4, numLayers: 2, numHeads: 2, hiddenSize: 8 };

const runtime = Runtime.load();
failOnLeaks(runtime);
let stages: GptStage[];
beforeAll(() => {
  stages = gptStages({ config, numStages: 2, runtime, seed: 1 });
  // At GPT-2's initial scale every token would be equally likely.
  runtime.seed(11);
  for (const parameter of stages.flatMap((stage) => stage.parameters()))
    if (parameter.shape.length === 2) fillNormal(parameter, 1);
  generate(stages, [3], { numTokens: 1 }); // Weights of linear layers are transposed once, at their first use.
});
afterAll(() => {
  for (const stage of stages) stage.dispose();
});

/** The likeliest next token, found from the logits of one forward over the end of the text. */
function likeliest(tokens: readonly number[]): number {
  return runtime.scope(() => {
    const seen = tokens.slice(-config.contextLength);
    const logits = stages.reduce(
      (x, stage) => stage.call(x),
      runtime.tensor(seen, [1, seen.length], "int64"),
    );
    const last = logits.toArray().slice(-config.vocabSize);
    return last.indexOf(Math.max(...last));
  });
}

test("at temperature 0 it takes the likeliest token each time, also beyond the context", () => {
  const tokens = [3];
  while (tokens.length < 12) tokens.push(likeliest(tokens));
  expect(new Set(tokens.slice(config.contextLength)).size).toBeGreaterThan(2);
  expect(generate(stages, [3], { numTokens: 11, temperature: 0 })).toEqual(tokens.slice(1));
  expect(generate(stages, [3], { numTokens: 11, topK: 1 })).toEqual(tokens.slice(1));
  for (const temperature of [1e-4, 1e-29, 1e-31, Number.MIN_VALUE])
    expect(generate(stages, [3], { numTokens: 11, temperature })).toEqual(tokens.slice(1));
});

test("a seed decides what is drawn, and neither the runtime's generator nor a graph is touched", () => {
  const draw = (seed: number) => generate(stages, [1, 2], { numTokens: 30, temperature: 3, seed });
  runtime.seed(4);
  const expected = runtime.scope(() => runtime.rand([3]).toArray());
  runtime.seed(4);
  const last = stages.at(-1)!;
  const call = last.call.bind(last);
  const haveGraphs: boolean[] = [];
  const spy = vi.spyOn(last, "call").mockImplementation((...inputs) => {
    const logits = call(...inputs);
    haveGraphs.push(requiresGrad(logits));
    return logits;
  });
  expect(draw(1)).toEqual(draw(1));
  expect(draw(1)).not.toEqual(draw(2));
  spy.mockRestore();
  expect(new Set(haveGraphs)).toEqual(new Set([false]));
  expect(runtime.scope(() => runtime.rand([3]).toArray())).toEqual(expected);
});

test("topK draws from the likeliest alone, by their probabilities", () => {
  const counts = new Map<number, number>();
  for (let seed = 0; seed < 200; seed++) {
    const [token] = generate(stages, [5], { numTokens: 1, temperature: 5, topK: 3, seed });
    counts.set(token!, (counts.get(token!) ?? 0) + 1);
  }
  const logits = runtime.scope(() =>
    stages.reduce((x, stage) => stage.call(x), runtime.tensor([5], [1, 1], "int64")).toArray(),
  );
  const top = logits
    .map((logit, token) => ({ logit, token }))
    .sort((a, b) => b.logit - a.logit)
    .slice(0, 3);
  const total = top.reduce((sum, { logit }) => sum + Math.exp(logit / 5), 0);
  expect(counts.size).toBe(3);
  for (const { logit, token } of top) {
    const probability = Math.exp(logit / 5) / total;
    const deviation = Math.sqrt(200 * probability * (1 - probability));
    expect(Math.abs(counts.get(token)! - 200 * probability)).toBeLessThan(4 * deviation);
  }
});

test("what cannot be continued is refused", () => {
  expect(() => generate(stages, [], { numTokens: 1 })).toThrow(/at least one token; got none/);
  expect(() => generate(stages.slice(1), [1], { numTokens: 1 })).toThrow(OptionError);
  expect(() => generate([stages[0]!, stages[0]!, stages[1]!], [1], { numTokens: 1 })).toThrow(OptionError);
  expect(() => generate(stages.toReversed(), [1], { numTokens: 1 })).toThrow(
    /all stages of a model, in order/,
  );
  expect(() => generate(stages, [1], { numTokens: 1, temperature: -1 })).toThrow(/temperature .* got -1/);
  expect(() => generate(stages, [1], { numTokens: 1, topK: 0 })).toThrow(/topK .* got 0/);
});
