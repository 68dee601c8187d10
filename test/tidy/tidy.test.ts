import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import {
  FILES_WITH_IDEAS,
  findEnvironmentReads,
  findForbiddenSyntax,
  findMissingHeaders,
  findRepeatedOperators,
} from "./code.ts";
import { findBareErrors, findErrorCodes } from "./errors.ts";
import { findBrokenEntries, findUnusedExports, publicSources } from "./exports.ts";
import { BACK_EDGES, findCycles, findUnusedPermissions, findUpwardImports } from "./layers.ts";
import { parseSources, readTexts, type Violation } from "./repository.ts";
import { findLargeFolders, findLongFiles, findLongFunctions, findWideLines } from "./sizes.ts";
import { findEmptyNames, findForbiddenTexts, findNotes } from "./text.ts";
import { findBannedWords } from "./words.ts";

const texts = readTexts(fileURLToPath(new URL("../..", import.meta.url)));
const files = parseSources(texts);
const manifest = JSON.parse(texts.get("package.json")!);

const lines = (violations: readonly Violation[]) =>
  violations.map(({ file, rule, remedy }) => `${file}: ${rule}; ${remedy}`);

test.each<[string, readonly Violation[]]>([
  ["imports point down the layers", findUpwardImports(files)],
  ["imports form no cycle", findCycles(files, { types: true }, BACK_EDGES)],
  ["every export is used", findUnusedExports(files, new Set(publicSources(manifest).values()))],
  ["package.json offers only what the build makes", findBrokenEntries(manifest, files)],
  ["every permission of a layer is used", findUnusedPermissions(files)],
  ["one place reads the environment", findEnvironmentReads(files)],
  ["an operator is declared once", findRepeatedOperators(files)],
  ["an error is of a class of ours", findBareErrors(files)],
  ["a long file starts with its idea", findMissingHeaders(texts, FILES_WITH_IDEAS)],
  ["files are short", findLongFiles(texts)],
  ["folders are small", findLargeFolders(texts.keys())],
  ["functions are short", findLongFunctions(files)],
  ["prose fits into 120 columns", findWideLines(texts)],
  ["one name per thing, and plain English", findBannedWords(texts)],
  ["an error code belongs to one class", findErrorCodes(files)],
  ["names say what is inside", findEmptyNames(texts)],
  ["nothing mentions the place where it was written", findForbiddenTexts(texts)],
  ["no note is left for later", findNotes(files)],
  ["no `any`, no test switched off", findForbiddenSyntax(files)],
])("%s", (_rule, violations) => {
  expect(lines(violations)).toEqual([]);
});
