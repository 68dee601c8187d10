import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** A fenced block of a document. */
export interface CodeBlock {
  /** Its file and the number of its first line, such as `docs/training.md:12`. */
  readonly place: string;
  readonly language: string;
  readonly text: string;
  /** The file that it is taken from, if a comment before it says so: `<!-- from PATH -->`. */
  readonly source: string | undefined;
}

export interface MarkdownFile {
  readonly path: string;
  readonly text: string;
  readonly blocks: readonly CodeBlock[];
  /** Targets of links and images. */
  readonly links: readonly string[];
  /** The names of its headings in links such as `#name`. */
  readonly anchors: readonly string[];
}

/** The documents in the root of the repository and in docs/. */
export function readDocuments(): MarkdownFile[] {
  const inDocs = readdirSync(join(ROOT, "docs"), { recursive: true, encoding: "utf8" });
  const paths = [...readdirSync(ROOT), ...inDocs.map((path) => join("docs", path))];
  return paths.filter((path) => path.endsWith(".md")).map((path) => readDocument(path));
}

export function readDocument(path: string): MarkdownFile {
  return parseMarkdown(relative(ROOT, join(ROOT, path)), readFileSync(join(ROOT, path), "utf8"));
}

export function parseMarkdown(path: string, text: string): MarkdownFile {
  const blocks: CodeBlock[] = [];
  const prose: string[] = [];
  let fence: { language: string; start: number; source: string | undefined } | undefined;
  const lines = text.split("\n");
  lines.forEach((line, i) => {
    const mark = /^```(\w*)/.exec(line);
    if (fence !== undefined) {
      if (mark === null) return;
      const { language, start, source } = fence;
      blocks.push({
        place: `${path}:${start + 1}`,
        language,
        source,
        text: `${lines.slice(start, i).join("\n")}\n`,
      });
      fence = undefined;
    } else if (mark !== null) {
      const source = /^<!-- from (\S+) -->$/.exec(lines[i - 1] ?? "")?.[1];
      fence = { language: mark[1]!, start: i + 1, source };
    } else prose.push(line);
  });
  const body = prose.join("\n");
  const plain = body.replace(/`[^`\n]*`/g, "");
  return {
    path,
    text,
    blocks,
    links: [...plain.matchAll(/\]\(([^)\s]+)\)|<img[^>]* src="([^"]+)"/g)].map(
      ([, link, src]) => link ?? src!,
    ),
    anchors: prose.filter((line) => /^#+ /.test(line)).map(anchorOf),
  };
}

/** The name that GitHub gives a heading. */
function anchorOf(heading: string): string {
  return heading
    .replace(/^#+ /, "")
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, "")
    .replaceAll(" ", "-");
}

/** The rows of the first table whose first heading is given, as cells without their code marks. */
export function tableRows({ path, text }: MarkdownFile, firstHeading: string): string[][] {
  const lines = text.split("\n");
  const head = lines.findIndex((line) => line.startsWith(`| ${firstHeading} |`));
  if (head < 0) throw new Error(`${path} has no table that starts with ${firstHeading}`);
  const end = lines.findIndex((line, i) => i > head && !line.startsWith("|"));
  return lines.slice(head + 2, end).map((line) =>
    line
      .slice(1, line.lastIndexOf("|"))
      .split(/(?<!\\)\|/)
      .map((cell) => cell.trim().replaceAll("`", "")),
  );
}
