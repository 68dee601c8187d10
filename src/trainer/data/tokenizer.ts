import { createRequire } from "node:module";
import { END_OF_TEXT, makeTokenizerJson, type TokenizerJson } from "./vocabulary.ts";

const require = createRequire(import.meta.url);

/** Loaded with the first tokenizer, since `import "dualpipe"` must not wait for it. */
const tokenizers = () => require("@huggingface/tokenizers") as typeof import("@huggingface/tokenizers");

/**
 * How GPT-2 cuts text into words, within which pairs are merged: contractions, letters, digits, the rest, white space.
 */
const WORD = /'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu;

/** Byte-level BPE with the first merges of GPT-2's vocabulary. */
export interface BpeTokenizer {
  readonly vocabSize: number;
  /** The last id; it ends every document. */
  readonly endOfTextId: number;
  /** The same tokenizer as the content of a `tokenizer.json`. */
  readonly json: TokenizerJson;
  /** Never returns `endOfTextId`: "<|endoftext|>" in a text is encoded as ordinary text. */
  encode(text: string): number[];
  /** An incomplete character becomes U+FFFD. */
  decode(ids: Iterable<number>): string;
}

/**
 * Makes the tokenizer of a vocabulary: 256 bytes, `vocabSize - 257` merges, one end-of-text token. With 50,257 tokens
 * it is GPT-2's own.
 * @throws DataError when `vocabSize` is too small, or larger than GPT-2's vocabulary.
 */
export function createTokenizer(vocabSize: number): BpeTokenizer {
  const json = makeTokenizerJson(vocabSize);
  const tokenizer = new (tokenizers().Tokenizer)(json, {});
  // Text has few distinct words: the map takes encoding the 10.8 MB of addresses from 14 s to 1 s.
  const idsOfWord = new Map<string, readonly number[]>();

  function encodeWord(word: string): readonly number[] {
    const known = idsOfWord.get(word);
    if (known !== undefined) return known;
    const { ids } = tokenizer.encode(word);
    idsOfWord.set(word, ids);
    return ids;
  }

  return {
    vocabSize,
    endOfTextId: tokenizer.token_to_id(END_OF_TEXT)!,
    json,
    encode(text) {
      const ids: number[] = [];
      for (const [word] of text.matchAll(WORD)) {
        for (const id of encodeWord(word)) {
          ids.push(id);
        }
      }
      return ids;
    },
    decode(ids) {
      const all = [...ids];
      const options = { clean_up_tokenization_spaces: false, skip_special_tokens: false };
      // The library refuses to decode an empty list.
      return all.length === 0 ? "" : tokenizer.decode(all, options);
    },
  };
}
