import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { describeSystemError } from "../../errors/system-error.ts";
import { DataError } from "./data-error.ts";
import { loadSotu, SOTU_PACKAGE } from "./sotu.ts";
import { END_OF_TEXT } from "./vocabulary.ts";

/** A text that stands alone: no sequence of tokens is meant to run on from it into the next. */
export interface TextDocument {
  readonly name: string;
  readonly text: string;
}

/** Where documents come from. */
export interface TextSource {
  readonly name: string;
  /** Identifies the content: the same identity always means the same documents. */
  readonly identity: string;
  load(): Promise<readonly TextDocument[]>;
}

/**
 * Opens what `data.source` names: "sotu", or a UTF-8 text file whose documents are separated by "<|endoftext|>".
 * @throws DataError when a file cannot be read, is not UTF-8 or has no text.
 */
export async function openSource(source: string, cacheDir: string): Promise<TextSource> {
  if (source === "sotu") {
    return { name: "sotu", identity: SOTU_PACKAGE.integrity, load: () => loadSotu(cacheDir) };
  }
  const bytes = await readBytes(source);
  return {
    name: basename(source),
    identity: createHash("sha256").update(bytes).digest("hex"),
    load: async () => cutDocuments(source, decodeText(source, bytes)),
  };
}

async function readBytes(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new DataError(
      "DATA_UNREADABLE",
      `data.source must be "sotu" or a text file that can be read; got ${JSON.stringify(path)}: ${describeSystemError(error as Error)}`,
      { cause: error },
    );
  }
}

function decodeText(path: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    throw new DataError("DATA_UNREADABLE", `data.source: ${path} is not UTF-8; convert it, e.g. with iconv`, {
      cause: error,
    });
  }
}

function cutDocuments(path: string, text: string): readonly TextDocument[] {
  const documents = text
    .split(END_OF_TEXT)
    .map((part) => part.trim())
    .filter((part) => part !== "")
    .map((part, index) => ({ name: String(index), text: part }));
  if (documents.length === 0) throw new DataError("DATA_TOO_SMALL", `data.source: ${path} has no text`);
  return documents;
}
