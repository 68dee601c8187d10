import { createRequire } from "node:module";
import type ranks from "gpt-tokenizer/bpeRanks/r50k_base";
import { DataError } from "./data-error.ts";

export const END_OF_TEXT = "<|endoftext|>";

const NUM_BYTES = 256;

const require = createRequire(import.meta.url);

/** GPT-2's tokens in the order of their merges; loaded with the first tokenizer, as it takes 100 ms. */
const loadRanks = () =>
  (require("gpt-tokenizer/bpeRanks/r50k_base") as { readonly default: typeof ranks }).default;

/** The size of a vocabulary of all bytes and the end-of-text token. */
export const VOCAB_SIZE_MIN = NUM_BYTES + 1;

/** The size of GPT-2's whole vocabulary. */
export const VOCAB_SIZE_MAX = 50_257;

/** The content of a `tokenizer.json` that Hugging Face's `tokenizers` reads. */
export type TokenizerJson = ReturnType<typeof describeTokenizer>;

type Merge = readonly [string, string];

/**
 * Makes a vocabulary of GPT-2's first merges. A merge needs only earlier ones, so any number of the first is a
 * vocabulary.
 * @throws DataError when there are fewer tokens than bytes, or more than GPT-2 has.
 */
export function makeTokenizerJson(vocabSize: number): TokenizerJson {
  if (!Number.isInteger(vocabSize) || vocabSize < VOCAB_SIZE_MIN || vocabSize > VOCAB_SIZE_MAX) {
    throw new DataError(
      "DATA_BAD_VOCABULARY",
      `data.vocabSize must be a whole number from ${VOCAB_SIZE_MIN} (the bytes and an end of text) to ${VOCAB_SIZE_MAX} (all of GPT-2's tokens); got ${vocabSize}`,
    );
  }
  const symbols = byteSymbols();
  const tokens = loadRanks()
    .slice(0, vocabSize - 1)
    .map((bytes) => {
      return Array.from(Buffer.from(bytes as string), (byte) => symbols[byte]!).join("");
    });
  const rankOf = new Map(tokens.map((token, rank) => [token, rank]));
  const merges = tokens.slice(NUM_BYTES).map((token) => findMerge(token, rankOf));
  return describeTokenizer(tokens, merges);
}

/**
 * The visible character for which GPT-2 writes each byte: the byte's own where it is visible, else the next from
 * U+0100.
 */
function byteSymbols(): readonly string[] {
  let next = 256;
  return Array.from({ length: NUM_BYTES }, (_, byte) => {
    const visible = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
    return String.fromCharCode(visible ? byte : next++);
  });
}

/** Finds the two tokens that a token was merged from: what is left of its bytes after all earlier merges. */
function findMerge(token: string, rankOf: ReadonlyMap<string, number>): Merge {
  const rank = rankOf.get(token)!;
  const parts = [...token];
  while (parts.length > 2) {
    let bestRank = rank;
    let bestIndex = -1;
    for (let index = 0; index + 1 < parts.length; index++) {
      const pairRank = rankOf.get(parts[index]! + parts[index + 1]!);
      if (pairRank !== undefined && pairRank < bestRank) {
        bestRank = pairRank;
        bestIndex = index;
      }
    }
    parts.splice(bestIndex, 2, parts[bestIndex]! + parts[bestIndex + 1]!);
  }
  return [parts[0]!, parts[1]!];
}

function describeTokenizer(tokens: readonly string[], merges: readonly Merge[]) {
  const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true };
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: [
      {
        id: tokens.length,
        content: END_OF_TEXT,
        single_word: false,
        lstrip: false,
        rstrip: false,
        normalized: false,
        special: true,
      },
    ],
    normalizer: null,
    pre_tokenizer: byteLevel,
    post_processor: null,
    decoder: byteLevel,
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges,
    },
  };
}
