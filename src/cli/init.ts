import { existsSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Argument, Command } from "commander";
import { DualPipeError } from "../errors/dualpipe-error.ts";
import { fileErrorOf } from "../files/file-error.ts";
import { makeFolder } from "../files/folder.ts";
import { choiceOf } from "./usage.ts";

// The same from `src/cli` and from `dist/cli`.
const EXAMPLES = new URL("../../examples/", import.meta.url);

const TEMPLATES = ["gpt", "by-hand"] as const;
type Template = (typeof TEMPLATES)[number];

/** `dualpipe init` was asked to write over something. */
class InitError extends DualPipeError<"INIT_EXISTS"> {
  override readonly name = "InitError";
}

/** `dualpipe init [TEMPLATE] [FOLDER]`. */
export function initCommand(): Command {
  return new Command("init")
    .description(
      "Write the files of a new project, which runs as it is. Existing files are never overwritten.",
    )
    .addArgument(
      new Argument(
        "[template]",
        "gpt: a configuration for `dualpipe train`; by-hand: a program with modules and a loop of its own",
      )
        .argParser(choiceOf(TEMPLATES))
        .default("gpt"),
    )
    .argument("[folder]", "where to write it; created if it does not exist", ".")
    .action(async (template: Template, folder: string) => {
      process.stdout.write(await init(template, folder));
    });
}

/** Writes a template's files. @returns What was written, and how to go on. @throws InitError, FileError */
async function init(template: Template, folder: string): Promise<string> {
  const files = filesOf(template, folder);
  const paths = Object.keys(files).map((name) => join(folder, name));
  const existing = paths.filter((path) => existsSync(path));
  if (existing.length > 0) {
    throw new InitError(
      "INIT_EXISTS",
      `init writes ${paths.join(", ")} and does not overwrite; ${existing.join(", ")} already exists; name another folder: dualpipe init ${template} FOLDER`,
    );
  }
  await makeFolder(folder);
  for (const [name, text] of Object.entries(files)) {
    const path = join(folder, name);
    await writeFile(path, text, { flag: "wx" }).catch((error: unknown) => {
      throw fileErrorOf(`${path} cannot be written`, error);
    });
  }
  return [...paths.map((path) => `wrote ${path}`), "", "Run it:", ...commandsOf(template, folder), ""].join(
    "\n",
  );
}

function filesOf(template: Template, folder: string): Record<string, string> {
  if (template === "gpt") {
    // The example speaks of its own path; the copy speaks of the one that it has.
    const [, ...lines] = example("gpt/config.yaml").split("\n");
    const title = `# A small GPT on the State of the Union addresses: npx dualpipe train ${join(folder, "config.yaml")}`;
    return { "config.yaml": [title, ...lines].join("\n") };
  }
  return {
    // The extension makes it a module whatever package.json says.
    "main.mts": example("by-hand/main.ts"),
    "tsconfig.json": `${JSON.stringify({ compilerOptions: COMPILER_OPTIONS, include: ["*.mts"] }, undefined, 2)}\n`,
  };
}

const COMPILER_OPTIONS = {
  target: "es2022",
  module: "nodenext",
  strict: true,
  noEmit: true,
  verbatimModuleSyntax: true,
};

function example(path: string): string {
  return readFileSync(new URL(path, EXAMPLES), "utf8");
}

function commandsOf(template: Template, folder: string): string[] {
  if (template === "gpt") return [`  npx dualpipe train ${join(folder, "config.yaml")}`];
  const program = join(folder, "main.mts");
  // Node removes types by itself from 22.18 on.
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  return major > 22 || (major === 22 && minor >= 18) ? [`  node ${program}`] : [`  npx --yes tsx ${program}`];
}
