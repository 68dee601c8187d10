import { createHash } from "node:crypto";
import { join } from "node:path";
import { readSafetensors, writeSafetensors } from "../../files/safetensors.ts";
import { checkFolder } from "../check-folder.ts";
import type { TextDocument, TextSource } from "./source.ts";
import type { BpeTokenizer } from "./tokenizer.ts";

/** Documents as token ids, one after another. */
export interface TokenizedDocuments {
  /** The ids of all documents, each followed by an end of text. */
  readonly tokens: Uint16Array;
  /** The position in `tokens` at which each document ends. */
  readonly ends: Uint32Array;
  readonly names: readonly string[];
}

/** Part of the cache's key. Raise it when the same text would give other tokens. */
const TOKENIZATION_VERSION = 1;

/** Tokenizes a source, or reads its tokens from the cache. @throws FolderError, before the source is loaded */
export async function tokenizeSource(
  source: TextSource,
  tokenizer: BpeTokenizer,
  cacheDir: string,
): Promise<TokenizedDocuments> {
  const key = createHash("sha256")
    .update(JSON.stringify([TOKENIZATION_VERSION, source.identity, tokenizer.vocabSize]))
    .digest("hex");
  const file = join(
    cacheDir,
    "tokens",
    // A file system allows 255 bytes for a name.
    `${source.name.slice(0, 40)}-${tokenizer.vocabSize}-${key.slice(0, 16)}.safetensors`,
  );
  const cached = await readCache(file, key, tokenizer.vocabSize);
  if (cached !== undefined) return cached;
  await checkFolder("data.cacheDir", cacheDir);
  const documents = tokenize(await source.load(), tokenizer);
  await writeCache(file, key, documents);
  return documents;
}

function tokenize(documents: readonly TextDocument[], tokenizer: BpeTokenizer): TokenizedDocuments {
  const encoded = documents.map(({ text }) => [...tokenizer.encode(text), tokenizer.endOfTextId]);
  const tokens = new Uint16Array(encoded.reduce((sum, ids) => sum + ids.length, 0));
  const ends = new Uint32Array(encoded.length);
  let length = 0;
  encoded.forEach((ids, index) => {
    tokens.set(ids, length);
    length += ids.length;
    ends[index] = length;
  });
  return { tokens, ends, names: documents.map(({ name }) => name) };
}

async function writeCache(
  file: string,
  key: string,
  { tokens, ends, names }: TokenizedDocuments,
): Promise<void> {
  await writeSafetensors(
    file,
    [
      { name: "tokens", dtype: "U16", shape: [tokens.length], data: bytesOf(tokens) },
      { name: "ends", dtype: "U32", shape: [ends.length], data: bytesOf(ends) },
    ],
    { key, names: JSON.stringify(names) },
  );
}

async function readCache(
  file: string,
  key: string,
  vocabSize: number,
): Promise<TokenizedDocuments | undefined> {
  try {
    const { tensors, metadata } = await readSafetensors(file);
    const [ends, tokens] = tensors;
    const documents = {
      tokens: new Uint16Array(tokens!.data.buffer),
      ends: new Uint32Array(ends!.data.buffer),
      names: JSON.parse(metadata.names!) as string[],
    };
    const whole =
      metadata.key === key &&
      documents.ends.at(-1) === documents.tokens.length &&
      documents.names.length === documents.ends.length &&
      documents.tokens.every((token) => token < vocabSize);
    return whole ? documents : undefined;
  } catch {
    // Missing or damaged: both are cured by tokenizing again.
    return undefined;
  }
}

function bytesOf(array: Uint16Array | Uint32Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}
