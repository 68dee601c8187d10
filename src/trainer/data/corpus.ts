import { openSource } from "./source.ts";
import { splitDocuments } from "./split.ts";
import { type BpeTokenizer, createTokenizer } from "./tokenizer.ts";
import { tokenizeSource } from "./tokens.ts";

export interface CorpusOptions {
  readonly source: string;
  readonly vocabSize: number;
  readonly validationFraction: number;
  readonly cacheDir: string;
}

/** The data of a run: token ids to train on and to validate on, and the tokenizer that made them. */
export interface Corpus {
  readonly tokenizer: BpeTokenizer;
  readonly train: Uint16Array;
  readonly validation: Uint16Array;
  readonly numDocuments: number;
  /** Nats per token on `validation`, of a model that knows only how frequent each token is. */
  readonly unigramLoss: number;
}

/**
 * Loads, tokenizes and splits a text. Texts and tokens are cached on disk.
 * @throws DataError when the source cannot be fetched or read.
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

/**
 * The mean loss, in nats per token, of a model that knows only how frequent each token is in `train` (each count plus
 * one). A model that has learned anything about the order of tokens must beat it on `validation`.
 */
export function unigramLoss(
  train: ArrayLike<number>,
  validation: ArrayLike<number>,
  vocabSize: number,
): number {
  const counts = new Float64Array(vocabSize).fill(1);
  for (let i = 0; i < train.length; i++) {
    counts[train[i]!]! += 1;
  }
  const logTotal = Math.log(train.length + vocabSize);
  let sum = 0;
  for (let i = 0; i < validation.length; i++) {
    sum += logTotal - Math.log(counts[validation[i]!]!);
  }
  return sum / validation.length;
}
