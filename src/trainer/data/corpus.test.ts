import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { loadCorpus } from "./corpus.ts";
import { createTokenizer } from "./tokenizer.ts";

let folder: string;
let source: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "corpus-"));
  source = join(folder, "text.txt");
});
afterEach(() => rmSync(folder, { recursive: true }));

const DOCUMENTS = Array.from({ length: 40 }, (_, index) => `Document ${index}: ${"word ".repeat(index)}end.`);

function load(options: { vocabSize?: number; validationFraction?: number } = {}) {
  const { vocabSize = 300, validationFraction = 0.2 } = options;
  return loadCorpus({ source, vocabSize, validationFraction, cacheDir: join(folder, "cache") });
}

/** The documents that tokens stand for. */
function documentsOf(tokens: Uint16Array, vocabSize = 300): string[] {
  const parts = createTokenizer(vocabSize).decode(tokens).split("<|endoftext|>");
  expect(parts.pop()).toBe("");
  return parts;
}

describe("loadCorpus", () => {
  it("holds out whole documents, and keeps all", async () => {
    writeFileSync(source, DOCUMENTS.join("\n<|endoftext|>\n"));
    const corpus = await load();
    const train = documentsOf(corpus.train);
    const validation = documentsOf(corpus.validation);
    expect([...train, ...validation].sort()).toEqual([...DOCUMENTS].sort());
    expect(corpus.numDocuments).toBe(40);
    const fraction = corpus.validation.length / (corpus.train.length + corpus.validation.length);
    expect(fraction).toBeGreaterThanOrEqual(0.2);
    expect(fraction).toBeLessThan(0.25);
    const isSorted = (documents: string[]) =>
      documents.every((text, i) => i === 0 || DOCUMENTS.indexOf(text) > DOCUMENTS.indexOf(documents[i - 1]!));
    expect(isSorted(train) && isSorted(validation)).toBe(true);
    expect(validation).not.toEqual(DOCUMENTS.slice(-validation.length));
  });

  it("holds out the same documents, and more of them with a larger fraction", async () => {
    writeFileSync(source, DOCUMENTS.join("<|endoftext|>"));
    const small = documentsOf((await load({ validationFraction: 0.1 })).validation);
    expect(documentsOf((await load({ validationFraction: 0.1 })).validation)).toEqual(small);
    const large = documentsOf((await load({ validationFraction: 0.5 })).validation);
    expect(large).toEqual(expect.arrayContaining(small));
    expect((await load({ validationFraction: 0.999 })).train.length).toBeGreaterThan(0);
  });

  it("holds out the end of a single document", async () => {
    writeFileSync(source, DOCUMENTS.join("\n"));
    const { tokenizer, train, validation } = await load({ validationFraction: 0.1 });
    expect(tokenizer.decode([...train, ...validation])).toBe(`${DOCUMENTS.join("\n")}<|endoftext|>`);
    expect(validation.length).toBe(Math.round((train.length + validation.length) * 0.1));
  });

  it("takes tokens from the cache until text or vocabulary change", async () => {
    const cached = () => readdirSync(join(folder, "cache", "tokens"));
    writeFileSync(source, DOCUMENTS[9]!);
    const first = await load();
    const [file] = cached();
    const path = join(folder, "cache", "tokens", file!);
    // Another token of the same text: only the cache can bring it.
    const bytes = readFileSync(path);
    const tokensStart = 8 + Number(bytes.readBigUInt64LE()) + 4;
    bytes[tokensStart] = first.train[0]! ^ 1;
    writeFileSync(path, bytes);
    expect((await load()).train[0]).toBe(first.train[0]! ^ 1);

    await load({ vocabSize: 301 });
    writeFileSync(source, DOCUMENTS[10]!);
    await load();
    expect(cached()).toHaveLength(3);
  });

  it.each([
    ["letters", "x".repeat(255)],
    ["characters of four bytes", "😀".repeat(60)],
  ])("keeps the tokens of a file with as long a name of %s as there can be", async (_what, name) => {
    source = join(folder, name);
    writeFileSync(source, DOCUMENTS[9]!);
    await load();
    expect(readdirSync(join(folder, "cache", "tokens"))).toHaveLength(1);
  });

  it("tokenizes again when the cache is damaged", async () => {
    writeFileSync(source, DOCUMENTS[9]!);
    const first = await load();
    const [file] = readdirSync(join(folder, "cache", "tokens"));
    const path = join(folder, "cache", "tokens", file!);
    const bytes = readFileSync(path);
    for (const damaged of [
      bytes.subarray(0, -3),
      Buffer.from("x"),
      Buffer.concat([bytes.subarray(0, -2), Buffer.of(255, 255)]),
    ]) {
      writeFileSync(path, damaged);
      expect((await load()).train).toEqual(first.train);
      expect(readFileSync(path)).toEqual(bytes);
    }
  });

  it("says why a source cannot be read", async () => {
    await expect(load()).rejects.toMatchObject({
      code: "DATA_UNREADABLE",
      message: expect.stringMatching(
        /data\.source must be "sotu" or a text file that can be read; got ".*text\.txt"/,
      ),
    });
    writeFileSync(source, Buffer.of(0x61, 0xff));
    await expect(load()).rejects.toMatchObject({
      code: "DATA_UNREADABLE",
      message: expect.stringContaining("not UTF-8"),
    });
    writeFileSync(source, " \n<|endoftext|>\n");
    await expect(load()).rejects.toMatchObject({ code: "DATA_TOO_SMALL" });
  });
});
