import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import * as kernels from "./index.ts";

const SOURCES = fileURLToPath(new URL("../..", import.meta.url));

const texts = readdirSync(SOURCES, { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith(".ts") && !path.endsWith(".test.ts"))
  .map((path) => ({ path, text: readFileSync(join(SOURCES, path), "utf8") }));

test("each operator is declared once: here, for the tensors that a runtime makes, or with LibTorch's gradient", () => {
  const declarations = texts.flatMap(({ path, text }) =>
    [...text.matchAll(/^(?:export )?const \w+ = operator\((.*)\);$/gm)].map(([, operator]) => ({
      path,
      operator,
    })),
  );
  expect(declarations.length).toBeGreaterThan(100);
  const operators = declarations.map(({ operator }) => operator);
  expect(operators.filter((operator, i) => operators.indexOf(operator) !== i)).toEqual([]);
  const elsewhere = declarations.filter(
    ({ path }) => !/^(tensor[/\\](kernels[/\\]|runtime\.ts)|autograd[/\\]library[/\\])/.test(path),
  );
  expect(elsewhere).toEqual([]);
});

test("each kernel is used", () => {
  const used = texts.filter(({ path }) => !path.endsWith("index.ts")).map(({ text }) => text);
  const isUsed = (name: string) =>
    used.some(
      (text) =>
        text.includes(`kernels.${name}`) ||
        new RegExp(`import \\{[^}]*\\b${name}\\b[^}]*\\} from "[^"]*kernels/`).test(text),
    );
  expect(Object.keys(kernels).filter((name) => !isUsed(name))).toEqual([]);
});
