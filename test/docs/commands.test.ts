import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { loadConfig } from "../../src/trainer/config/config.ts";
import { runDualpipe } from "../cli/run-dualpipe.ts";
import { ROOT, readDocuments } from "./markdown.ts";
import { type ShellCommand, shellCommands } from "./shell-commands.ts";

const { scripts } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
  scripts: Readonly<Record<string, string>>;
};
const exists = (path: string | undefined): boolean => path !== undefined && existsSync(join(ROOT, path));

/** Says what is wrong with a command, if anything. */
async function faultOf(words: readonly string[]): Promise<string | undefined> {
  const [program, first, ...rest] = words;
  switch (program) {
    case "npm": {
      const name = first === "run" ? rest[0] : first;
      return ["install", "ci"].includes(name!) || scripts[name!] ? undefined : `no script ${name}`;
    }
    case "npx":
      if (first === "tsx") return exists(rest[0]) ? undefined : `no file ${rest[0]}`;
      return exists(join("node_modules", ".bin", first!)) ? undefined : `no program ${first}`;
    case "dualpipe":
      return faultOfDualpipe(first!, rest);
    // Programs of others: only the files of ours that they are given must exist.
    case "export":
    case "git":
    case "cd":
    case "kubectl":
    case "sbatch":
    case "sh":
    case "sudo": {
      const missing = words.find((word) => word.startsWith("examples/") && !exists(word));
      return missing === undefined ? undefined : `no file ${missing}`;
    }
    default:
      return `${program} is not known to this test`;
  }
}

const helps = new Map<string, string | undefined>();

function helpOf(command: string): string | undefined {
  if (!helps.has(command)) {
    const { stdout } = runDualpipe([command, "--help"]);
    // An unknown command prints the help of the program.
    helps.set(command, stdout.startsWith(`Usage: dualpipe ${command}`) ? stdout : undefined);
  }
  return helps.get(command);
}

async function faultOfDualpipe(command: string, args: readonly string[]): Promise<string | undefined> {
  if (command.startsWith("--")) return runDualpipe([command]).status === 0 ? undefined : `no ${command}`;
  const help = helpOf(command);
  if (help === undefined) return `no command ${command}`;
  const unknown = args.find((arg) => /^--?[a-z]/.test(arg) && !new RegExp(`[ ,]${arg}[ ,]`).test(help));
  if (unknown !== undefined) return `no option ${unknown}`;
  const [config] = args;
  if (command !== "train" || !exists(config)) return undefined;
  const overrides = args.filter((_, i) => args[i - 1] === "--set" && args[i] !== "key=value");
  await loadConfig(join(ROOT, config!), overrides);
  return undefined;
}

const commands = readDocuments().flatMap(shellCommands);

const named = (list: readonly ShellCommand[]) =>
  list.map((command) => [command.words.join(" "), command] as const);

test.each(named(commands))("%s can be typed", async (_line, { place, words }) => {
  expect(await faultOf(words), place).toBeUndefined();
});

test.each([
  ["npm run dance", "no script dance"],
  ["npx tsx examples/none.ts", "no file examples/none.ts"],
  ["sh examples/launch/dance.sh", "no file examples/launch/dance.sh"],
  ["dualpipe dance", "no command dance"],
  ["dualpipe schedule dualpipe --dance", "no option --dance"],
  ["curl example.org", "curl is not known to this test"],
])("the fault of %s is found", async (line, fault) => {
  expect(await faultOf(line.split(" "))).toBe(fault);
});

const shown = commands.filter(({ output }) => output !== undefined && output.length > 0);

test.each(named(shown))("%s prints what is shown", (_line, { place, words, output }) => {
  const { stdout } = runDualpipe(words.slice(1), { NO_COLOR: "1", COLUMNS: "" });
  const lines = stdout.split("\n").map((line) => line.trimEnd());
  // A line of dots stands for omitted lines.
  const parts = output!.join("\n").split(/^\.\.\.$/m);
  let rest = `${lines.join("\n")}\n`;
  for (const part of parts) {
    const at = rest.indexOf(part.replace(/^\n/, ""));
    expect(at, `${place}: ${part}`).toBeGreaterThanOrEqual(0);
    rest = rest.slice(at + part.length);
  }
});
