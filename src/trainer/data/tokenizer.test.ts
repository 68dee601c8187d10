import { Tokenizer } from "@huggingface/tokenizers";
import fc from "fast-check";
import { decode as gpt2Decode, encode as gpt2Encode } from "gpt-tokenizer/encoding/r50k_base";
import { describe, expect, it } from "vitest";
import { createTokenizer } from "./tokenizer.ts";
import { VOCAB_SIZE_MAX } from "./vocabulary.ts";

const textArbitrary = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.string({ unit: "grapheme" }),
  fc
    .array(
      fc.constantFrom(
        " the",
        "The",
        "'s",
        "'t",
        "'ll",
        "'",
        " ",
        "\n",
        "\t",
        "  ",
        "1789",
        "é",
        "日本",
        ",",
        "😀",
        "\u00a0",
        "United",
      ),
    )
    .map((words) => words.join("")),
);

const SAMPLE =
  "Fellow-Citizens of the Senate:  It's 1790, and we've\n\n\tpaid 3,000,000 florins — naïve? 日本 😀 (I'd say so.)   ";

describe("createTokenizer", () => {
  it.each([257, 300, 2048])("decodes what it encoded, with %i tokens", (vocabSize) => {
    const tokenizer = createTokenizer(vocabSize);
    fc.assert(
      fc.property(textArbitrary, (text) => {
        const ids = tokenizer.encode(text);
        expect(tokenizer.decode(ids)).toBe(text);
        expect(ids.every((id) => id < tokenizer.endOfTextId)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it("cuts words where the tokenizer of its JSON does", () => {
    const tokenizer = createTokenizer(2048);
    const whole = new Tokenizer(tokenizer.json, {});
    fc.assert(
      fc.property(textArbitrary, (text) => {
        expect(tokenizer.encode(text)).toEqual(whole.encode(text).ids);
      }),
      { numRuns: 500 },
    );
  });

  it("is GPT-2's tokenizer when it has all of its tokens", () => {
    const tokenizer = createTokenizer(VOCAB_SIZE_MAX);
    expect(VOCAB_SIZE_MAX).toBe(50_257);
    expect(tokenizer.endOfTextId).toBe(50_256);
    fc.assert(
      fc.property(fc.oneof(textArbitrary, fc.constant(SAMPLE)), (text) => {
        const ids = tokenizer.encode(text);
        expect(ids).toEqual(gpt2Encode(text));
        expect(tokenizer.decode(ids)).toBe(gpt2Decode(ids));
      }),
      { numRuns: 500 },
    );
  });

  it("finds every token of GPT-2 by its merges", () => {
    const tokenizer = createTokenizer(VOCAB_SIZE_MAX);
    const texts = Array.from({ length: tokenizer.endOfTextId }, (_, id) => gpt2Decode([id]));
    const differing = texts.filter((text) => String(tokenizer.encode(text)) !== String(gpt2Encode(text)));
    expect(differing).toEqual([]);
  });

  it("needs more tokens for a text the smaller its vocabulary is", () => {
    const lengths = [257, 512, 2048, VOCAB_SIZE_MAX].map(
      (size) => createTokenizer(size).encode(SAMPLE).length,
    );
    expect(lengths[0]).toBe(Buffer.byteLength(SAMPLE));
    expect(lengths).toEqual([...new Set(lengths)].sort((a, b) => b - a));
  });

  it("takes an end of text within a text for text", () => {
    const tokenizer = createTokenizer(512);
    const ids = tokenizer.encode("a<|endoftext|>b");
    expect(ids).not.toContain(tokenizer.endOfTextId);
    expect(tokenizer.decode([...ids, tokenizer.endOfTextId])).toBe("a<|endoftext|>b<|endoftext|>");
  });

  it.each([256, 50_258, 1024.5])("refuses %d tokens", (vocabSize) => {
    expect(() => createTokenizer(vocabSize)).toThrow(`from 257 (the bytes and an end of text) to 50257`);
  });
});
