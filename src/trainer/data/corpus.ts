import { openSource } from "./source.ts";
import { splitDocuments } from "./split.ts";
import { type BpeTokenizer, createTokenizer } from "./tokenizer.ts";
import { tokenizeSource } from "./tokens.ts";
import { unigramLoss } from "./unigram.ts";

export interface CorpusOptions {
  readonly source: string;
  readonly vocabSize: number;
  readonly validationFraction: number;
  readonly cacheDir: string;
}

/** What a run trains on: token ids of a train and a held-out part, and the tokenizer that made them. */
export interface Corpus {
  readonly tokenizer: BpeTokenizer;
  readonly train: Uint16Array;
  readonly validation: Uint16Array;
  readonly numDocuments: number;
  /** Nats a token on `validation`. */
  readonly unigramLoss: number;
}

/**
 * Loads, tokenizes and splits a text; texts and tokens are cached on disk.
 *
 * @throws {DataError} when the source cannot be had or read.
 */
export async function loadCorpus(options: CorpusOptions): Promise<Corpus> {
  const { source, vocabSize, validationFraction, cacheDir } = options;
  const tokenizer = createTokenizer(vocabSize);
  const documents = await tokenizeSource(await openSource(source, cacheDir), tokenizer, cacheDir);
  const { train, validation } = splitDocuments(documents, validationFraction);
  return {
    tokenizer,
    train,
    validation,
    numDocuments: documents.ends.length,
    unigramLoss: unigramLoss(train, validation, vocabSize),
  };
}
