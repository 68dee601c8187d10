import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { type MarkdownFile, parseMarkdown, ROOT, readDocument, readDocuments } from "./markdown.ts";

/** Broken links: to a file that is not in the repository, or to a heading that a document lacks. */
function brokenLinks({ path, links, anchors }: MarkdownFile): string[] {
  return links.filter((link) => {
    if (/^https?:/.test(link)) return false;
    const [file, anchor] = link.split("#") as [string, string | undefined];
    const target = join(dirname(path), file);
    if (file !== "" && !existsSync(join(ROOT, target))) return true;
    if (anchor === undefined) return false;
    const wanted = file === "" ? anchors : readDocument(target).anchors;
    return !wanted.includes(anchor);
  });
}

test.each(readDocuments().map((document) => [document.path, document] as const))(
  "the links of %s lead somewhere",
  (_path, document) => {
    expect(brokenLinks(document)).toEqual([]);
  },
);

test("a link to a missing file and one to a missing heading are found", () => {
  const text = "# Here we are\n[a](#here-we-are) [b](docs/none.md) [c](#there) ![d](README.md) `[e](code)`\n";
  expect(brokenLinks(parseMarkdown("x.md", text))).toEqual(["docs/none.md", "#there"]);
});

const OUR_PATH = /\b(?:src|native|test|bench|examples|docs|scripts)\/[\w./-]*\w/g;

/** Paths in code marks, such as `src/engine/rank-plan.ts`, and in diagrams. */
function pathsIn({ text, blocks }: MarkdownFile): string[] {
  const prose = text.replace(/^```[\s\S]*?^```$/gm, "");
  const marked = [...prose.matchAll(/`([^`\n]+)`/g)].map(([, code]) => code!);
  const diagrams = blocks.filter(({ language }) => language === "mermaid");
  return [
    ...marked.filter((code) => /^(src|native|test|bench|examples|docs|scripts)\/[\w./-]*$/.test(code)),
    ...diagrams.flatMap((diagram) => diagram.text.match(OUR_PATH) ?? []),
  ];
}

test("paths are found in code marks and in diagrams", () => {
  const text = '`src/a.ts` `src/ and b`\n```mermaid\na["A<br>src/b.ts"] --> b[native/c.cpp]\n```\n';
  expect(pathsIn(parseMarkdown("x.md", text))).toEqual(["src/a.ts", "src/b.ts", "native/c.cpp"]);
});

test.each(readDocuments().map((document) => [document.path, document] as const))(
  "the paths that %s names exist",
  (_path, document) => {
    const missing = pathsIn(document).filter((path) => {
      return !existsSync(join(ROOT, path));
    });
    expect(missing).toEqual([]);
  },
);
