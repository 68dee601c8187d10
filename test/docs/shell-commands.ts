import type { MarkdownFile } from "./markdown.ts";

/** A command line that a document tells its reader to type. */
export interface ShellCommand {
  readonly place: string;
  readonly words: readonly string[];
  /** The output that the document shows, if any. */
  readonly output: readonly string[] | undefined;
}

/** Commands of `sh` blocks (every line), of `console` blocks (lines after `$`, with their output) and in code marks. */
export function shellCommands(document: MarkdownFile): ShellCommand[] {
  const { path, text, blocks } = document;
  const commands: ShellCommand[] = [];
  for (const { language, place, text: block } of blocks) {
    if (language === "sh") {
      const lines = block.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
      for (const line of lines) commands.push({ place, words: wordsOf(line), output: undefined });
    }
    if (language === "console") {
      for (const part of block.split(/^\$ /m).slice(1)) {
        const [line, ...output] = part.trimEnd().split("\n");
        commands.push({ place, words: wordsOf(line!), output });
      }
    }
  }
  const prose = text.replace(/^```[\s\S]*?^```$/gm, "");
  for (const [, code] of prose.matchAll(/`([^`\n]+)`/g))
    if (/^(npx|npm|dualpipe) [a-z]/.test(code!))
      commands.push({ place: path, words: wordsOf(code!), output: undefined });
  return commands;
}

/** The words of a line, without a comment, `NAME=value` at its start, and `npx` before `dualpipe`. */
function wordsOf(line: string): string[] {
  const words = line.replace(/\s+#.*$/, "").match(/'[^']*'|"[^"]*"|[^\s"']+/g) ?? [];
  while (/^[A-Z_]+=/.test(words[0] ?? "")) words.shift();
  if (words[0] === "npx" && words[1] === "dualpipe") words.shift();
  return words.map((word) => word.replace(/^(['"])(.*)\1$/, "$2"));
}
