import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { checkPackage, createPackageFromTarballData } from "@arethetypeswrong/core";
import { publint } from "publint";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parseMarkdown } from "../docs/markdown.ts";
import { installPacked, type Project, ROOT } from "./packed.ts";

let project: Project;
beforeAll(async () => {
  project = await installPacked();
});
afterAll(() => rmSync(project.folder, { recursive: true, force: true }));

/** Runs the installed command in the project. */
function dualpipe(...args: string[]) {
  const program = join(project.packageFolder, "dist", "cli", "main.js");
  return spawnSync(process.execPath, [program, ...args], { cwd: project.folder, encoding: "utf8" });
}

const filesOf = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));

test("every link of the packed README leads to a packed file", () => {
  const { links } = parseMarkdown(
    "README.md",
    readFileSync(join(project.packageFolder, "README.md"), "utf8"),
  );
  const files = links.filter((link) => !/^(https?:|#)/.test(link)).map((link) => link.split("#")[0]!);
  expect(files.length).toBeGreaterThan(10);
  expect(files.filter((file) => !existsSync(join(project.packageFolder, file)))).toEqual([]);
});

test("every source map leads to a packed source", () => {
  const maps = filesOf(join(project.packageFolder, "dist")).filter((path) => path.endsWith(".map"));
  const broken = maps.filter((path) => {
    const { sources } = JSON.parse(readFileSync(path, "utf8")) as { sources: string[] };
    return sources.some((source) => !existsSync(join(dirname(path), source)));
  });
  expect(broken.map((path) => relative(project.packageFolder, path))).toEqual([]);
});

test("tests, tools and caches are not packed", () => {
  const names = filesOf(project.packageFolder).map((path) => relative(project.packageFolder, path));
  expect(names.filter((name) => /\.test\.|^(test|bench|scripts|\.cache|runs)\//.test(name))).toEqual([
    // The README leads to it.
    "test/tiny.test.ts",
  ]);
  expect(names).toContain("examples/gpt/config.yaml");
  expect(names).toContain("dist/studio/index.html");
});

test("publint finds nothing wrong with the package", async () => {
  const { messages } = await publint({ pkgDir: project.packageFolder, pack: false, strict: true });
  // Where the repository is public is for its owners to say.
  expect(messages.filter(({ code }) => !/^(PKG|REPO)?.*REPOSITORY/.test(code))).toEqual([]);
});

test("the types are right for importers in every way of resolving modules that knows ES modules", async () => {
  const pkg = createPackageFromTarballData(new Uint8Array(readFileSync(project.tarball)));
  const result = await checkPackage(pkg);
  if (!result.types) throw new Error("the package has no types");
  // The package has ES modules alone: CommonJS programs import() it, and node10 knows no exports.
  const problems = result.problems.filter(
    (problem) =>
      problem.kind !== "CJSResolvesToESM" &&
      !("resolutionKind" in problem && problem.resolutionKind === "node10"),
  );
  expect(problems).toEqual([]);
});

test("package.json can be imported from outside", () => {
  const code = `console.log(require("dualpipe/package.json").version)`;
  const { stdout } = spawnSync(process.execPath, ["-e", code], { cwd: project.folder, encoding: "utf8" });
  const { version, keywords } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  expect(stdout).toBe(`${version}\n`);
  expect(keywords).toContain("pipeline-parallelism");
});

test("the packed page of the studio is complete", () => {
  expect(dualpipe("studio", "--export", "site").stdout).toContain("wrote the page to site");
  const page = readFileSync(join(project.folder, "site", "index.html"), "utf8");
  const files = [...page.matchAll(/(?:src|href)="\.\/([^"]+)"/g)].map(([, file]) => file!);
  expect(files.length).toBeGreaterThanOrEqual(3);
  expect(files.filter((file) => !existsSync(join(project.folder, "site", file)))).toEqual([]);
});

test("init writes a configuration that trains, and does not overwrite it", () => {
  const first = dualpipe("init");
  expect(first.stdout).toBe("wrote config.yaml\n\nRun it:\n  npx dualpipe train config.yaml\n");
  const text = Array(40).fill(Array(60).fill("one two three").join(" ")).join("<|endoftext|>");
  writeFileSync(join(project.folder, "text.txt"), text);
  const small = [
    "data.source=text.txt",
    "data.vocabSize=280",
    "training.steps=2",
    "learningRateSchedule.warmupSteps=0",
    "training.sequenceLength=16",
  ];
  const train = dualpipe("train", "config.yaml", ...small.flatMap((set) => ["--set", set]));
  expect(train.stderr).toContain("step 2/2");
  expect(train.status).toBe(0);

  writeFileSync(join(project.folder, "config.yaml"), "mine");
  const second = dualpipe("init", "gpt");
  expect(second.status).toBe(1);
  expect(second.stderr).toBe(
    "dualpipe: init writes config.yaml and does not overwrite; config.yaml already exists; name another folder: dualpipe init gpt FOLDER\n",
  );
  expect(readFileSync(join(project.folder, "config.yaml"), "utf8")).toBe("mine");
  expect(dualpipe("init", "llama").status).toBe(2);
});

test("init by-hand writes a program that compiles for ES2022 with its own types checked, and runs", () => {
  const { stdout } = dualpipe("init", "by-hand", "hand");
  expect(stdout).toContain("wrote hand/main.mts\nwrote hand/tsconfig.json\n");
  const tsc = join(ROOT, "node_modules", "typescript", "bin", "tsc");
  const hand = join(project.folder, "hand");
  const compiled = spawnSync(process.execPath, [tsc, "-p", hand], { cwd: hand, encoding: "utf8" });
  expect(compiled.stdout).toBe("");
  // A tsx that the project cannot resolve, as with `npx --yes tsx main.mts`.
  rmSync(join(project.folder, "node_modules", "tsx"));
  const tsx = join(ROOT, "node_modules", "tsx", "dist", "cli.mjs");
  const ran = spawnSync(process.execPath, [tsx, "main.mts"], { cwd: hand, encoding: "utf8" });
  expect(ran.stderr).toBe("");
  expect(ran.stdout).toMatch(/^rank [01], step 200: loss 0\.0\d+$/m);
});

test("the help of train names a command that writes a configuration", () => {
  expect(dualpipe("train", "--help").stdout).toContain("`npx dualpipe init` writes one");
});
