// Does what a checkout still lacks before it can run or test: npm packages, TypeScript, system packages, the native addon.
// Only built-ins of Node are imported, since nothing is installed at first.
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

export const ROOT = fileURLToPath(new URL("..", import.meta.url));
const LOGS = join(ROOT, ".cache", "setup");
const OLDEST_NODE = [20, 19];

/** A step that failed, with a message for the user. */
export class SetupError extends Error {}

/** Brings the checkout to where `dist/` and the native addon are ready; `wanted` packages of Debian are installed where that can be done. */
export async function setUp(wanted) {
  checkNode();
  await installNpmPackages();
  await compileTypeScript();
  await installSystemPackages(wanted);
  await buildNativeAddon();
}

/** Sets up; false, with the reason in a readable message, when that fails. */
export async function setUpOrExplain({ wanted = [] } = {}) {
  const ignoreSignals = exitOnSignals();
  try {
    await setUp(wanted);
  } catch (error) {
    if (!(error instanceof SetupError || typeof error.code === "string")) throw error;
    console.error(error.message.startsWith("dualpipe: ") ? error.message : `dualpipe: ${error.message}`);
    return false;
  } finally {
    ignoreSignals();
  }
  return true;
}

/** Ends the process by way of its exit handlers, which end the programs it started; returns the undo. */
export function exitOnSignals() {
  const handlers = { SIGINT: () => process.exit(130), SIGTERM: () => process.exit(143) };
  for (const [signal, handler] of Object.entries(handlers)) process.on(signal, handler);
  return () => {
    for (const [signal, handler] of Object.entries(handlers)) process.off(signal, handler);
  };
}

function checkNode() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1])) return;
  throw new SetupError(`Node ${OLDEST_NODE.join(".")} or later is needed; this is ${process.versions.node}`);
}

async function installNpmPackages() {
  if (isInstalled()) return;
  await runStep("installing npm packages", "npm-ci", "npm", [
    "ci",
    "--no-audit",
    "--no-fund",
    "--loglevel=error",
  ]);
}

/** Compares versions, not dates: a checkout changes the dates of files that stay the same. */
function isInstalled() {
  const installedPath = join(ROOT, "node_modules", ".package-lock.json");
  if (!existsSync(installedPath)) return false;
  const wanted = JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8")).packages;
  const installed = JSON.parse(readFileSync(installedPath, "utf8")).packages;
  // Optional packages are those of other processors and systems.
  return Object.entries(wanted).every(
    ([path, { version, optional }]) =>
      path === "" || installed[path]?.version === version || (optional && installed[path] === undefined),
  );
}

async function compileTypeScript() {
  const stampPath = join(LOGS, "tsc.stamp");
  const sources = listFiles(join(ROOT, "src")).filter((path) => !path.endsWith(".test.ts"));
  const inputs = [
    ...sources,
    ...["package-lock.json", "tsconfig.json", "tsconfig.build.json"].map((name) => join(ROOT, name)),
  ];
  const hash = createHash("sha256");
  for (const path of inputs) hash.update(`${path}:${statSync(path).mtimeMs}:${statSync(path).size}\n`);
  const stamp = hash.digest("hex");
  const isBuilt = existsSync(join(ROOT, "dist", "cli", "main.js"));
  if (isBuilt && existsSync(stampPath) && readFileSync(stampPath, "utf8") === stamp) return;
  rmSync(stampPath, { force: true });
  await runStep("compiling TypeScript", "tsc", "npm", ["run", "--silent", "build"]);
  removeOrphans(sources);
  writeFileSync(stampPath, stamp);
}

/** Removes what the compiler made of sources that are gone. */
function removeOrphans(sources) {
  const stems = new Set(sources.map((path) => path.slice(join(ROOT, "src").length).replace(/\.ts$/, "")));
  const dist = join(ROOT, "dist");
  for (const path of listFiles(dist)) {
    const stem = path.slice(dist.length).replace(/(\.d\.ts|\.js)(\.map)?$/, "");
    if (stem !== path.slice(dist.length) && !stems.has(stem)) rmSync(path);
  }
}

function listFiles(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

async function installSystemPackages(wanted) {
  const { missingPackages, installCommand } = await importBuilt("native/prerequisites.js");
  const { defaultCache } = await importBuilt("native/cache.js");
  const { locateAndRemember, locateOrRecall } = await importBuilt("native/remembered.js");
  const libtorch = locateOrRecall(defaultCache());
  const needed = missingPackages(libtorch === undefined || libtorch.source === "system");
  const packages = [...needed, ...wanted];
  if (packages.length === 0) return;
  const isRoot = process.getuid?.() === 0;
  const command = installCommand(packages, isRoot);
  if (!existsSync("/etc/debian_version")) {
    if (needed.length === 0) return;
    throw new SetupError(
      `not found on this machine: ${needed.join(", ")} (names of Debian's packages). Install their like, or set LIBTORCH to an unpacked LibTorch`,
    );
  }
  if (!isRoot && spawnSync("sudo", ["-n", "true"], { stdio: "ignore" }).status !== 0) {
    if (needed.length === 0) return;
    throw new SetupError(
      `some system packages are missing; install them, then run this again:\n  ${command}`,
    );
  }
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  await runStep(`installing ${packages.join(", ")}`, "apt", "sh", ["-c", command], env);
  locateAndRemember(defaultCache());
}

async function buildNativeAddon() {
  const { buildAddon } = await importBuilt("native/build.js");
  await buildAddon({ onProgress: (line) => console.error(`dualpipe: ${line}`) });
}

/** Imports a module that `compileTypeScript` made. */
export function importBuilt(path) {
  return import(pathToFileURL(join(ROOT, "dist", path)).href);
}

/** Runs one program with a line of progress; its output goes to a log that is shown when it fails. */
async function runStep(what, logName, program, args, env = process.env) {
  console.error(`dualpipe: ${what}`);
  const logPath = join(LOGS, `${logName}.log`);
  mkdirSync(dirname(logPath), { recursive: true });
  const log = openSync(logPath, "w");
  const outcome = await runProgram(program, args, { stdio: ["ignore", log, log], env });
  closeSync(log);
  if (outcome === 0) return;
  const lines = readFileSync(logPath, "utf8").trimEnd().split("\n").slice(-15);
  throw new SetupError(
    `${what} failed (${outcome}); its last lines, whole log in ${logPath}\n${lines.join("\n")}`,
  );
}

/** Runs a program in the checkout and ends it with this process, or after a limit; 0, or what went wrong. */
export function runProgram(program, args, { limitMs, ...options }) {
  return new Promise((resolve) => {
    // A group of its own, so that all that the program starts can be ended with it.
    const child = spawn(program, args, { cwd: ROOT, ...options, detached: true });
    const end = () => process.kill(-child.pid, "SIGTERM");
    const limit = limitMs && setTimeout(() => process.kill(-child.pid, "SIGKILL"), limitMs);
    process.once("exit", end);
    const finish = (outcome) => {
      clearTimeout(limit);
      process.off("exit", end);
      resolve(outcome);
    };
    child.once("error", (error) => finish(error.message));
    child.once("close", (code, signal) => finish(code === 0 ? 0 : (signal ?? `exit status ${code}`)));
  });
}
