/**
 * Sets up a checkout in which nothing has been done yet: npm packages, TypeScript, system packages, the native addon.
 *
 * `npm start`, `npm test` and `npm run bench` call it every time, so a step that has been done must cost nothing, and
 * one that was done for an older checkout must be seen. Dates do not show that, as git changes the dates of files whose
 * text stays the same. Each step therefore compares what it depends on: installed versions with the lock file, a stamp
 * of the sources with that of the last compilation, the key of the addon with the cache.
 *
 * Only modules of Node are imported at the top, because nothing else is installed at first; the later steps import the
 * code that the earlier ones compiled.
 */
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
import { openingLine, SECONDS, StepClock } from "./forecast.mjs";

export const ROOT = fileURLToPath(new URL("..", import.meta.url));
const LOGS = join(ROOT, ".cache", "setup");
const OLDEST_NODE = [20, 19];

/** What `runProgram` returns for a program that its limit ended. */
export const OVER_LIMIT = "over the time limit";

/** A step of the set-up failed, or the machine does not allow it. */
class SetupError extends Error {
  constructor(problem) {
    super(`dualpipe: ${problem}`);
  }
}

/**
 * Sets up everything; the Debian packages `wanted` are optional, and installed only where that is allowed.
 * @param next What follows, as pairs of a name and seconds, for the forecast.
 */
async function setUp(wanted, next) {
  checkNode();
  const steps = [...(await missingSteps()), ...next];
  if (steps.length > 0) say(openingLine(steps));
  await installNpmPackages();
  await compileTypeScript();
  await installSystemPackages(wanted);
  await buildNativeAddon();
}

/** The missing steps with their seconds. Until the code is compiled, the steps after that count as missing. */
async function missingSteps() {
  const packages = isInstalled("") ? [] : [["npm packages", SECONDS.packages]];
  if (packages.length > 0 || compilation().isNeeded) {
    const system = existsSync("/usr/include/gloo/context.h") ? [] : [["Debian packages", SECONDS.system]];
    return [
      ...packages,
      ["TypeScript", SECONDS.typescript],
      ...system,
      ["the native addon (unless it is cached)", SECONDS.addon],
    ];
  }
  const { missingPackages } = await importBuilt("native/prerequisites.js");
  const { defaultCache, findAddon } = await importBuilt("native/cache.js");
  const { locateOrRecall } = await importBuilt("native/remembered.js");
  const cache = defaultCache();
  const libtorch = locateOrRecall(cache);
  const isMissing = missingPackages(libtorch === undefined || libtorch.source === "system").length > 0;
  const isBuilt = libtorch !== undefined && findAddon(cache, libtorch) !== undefined;
  return [
    ...(isMissing ? [["Debian packages", SECONDS.system]] : []),
    ...(isBuilt ? [] : [["the native addon", SECONDS.addon]]),
  ];
}

function say(line) {
  console.error(`dualpipe: ${line}`);
}

/** Sets up what builds the documentation: npm packages, those of `site/` included. */
export async function setUpDocs() {
  checkNode();
  await installNpmPackages();
  await installNpmPackages("site");
}

/** Sets up everything, or what `steps` does. @returns False when that failed, after printing the reason. */
export async function setUpOrExplain({ wanted = [], next = [], steps = () => setUp(wanted, next) } = {}) {
  const stopExiting = exitOnSignals();
  try {
    await steps();
  } catch (error) {
    const isOurs = error instanceof SetupError || error.problem !== undefined;
    if (!isOurs && typeof error.code !== "string") throw error;
    console.error(isOurs ? error.message : `dualpipe: ${error.message}`);
    return false;
  } finally {
    stopExiting();
  }
  return true;
}

/**
 * Makes signals end this process through its exit handlers, which end the programs that it started.
 * @returns A function that undoes it.
 */
export function exitOnSignals() {
  const handlers = {
    SIGINT: () => process.exit(130),
    SIGTERM: () => process.exit(143),
    SIGHUP: () => process.exit(129),
  };
  for (const [signal, handler] of Object.entries(handlers)) process.on(signal, handler);
  return () => {
    for (const [signal, handler] of Object.entries(handlers)) process.off(signal, handler);
  };
}

function checkNode() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1])) return;
  throw new SetupError(
    `Node must be ${OLDEST_NODE.join(".")} or later; this is Node ${process.versions.node}; install a newer one`,
  );
}

/** @param folder The folder of a package-lock.json, in the checkout. */
async function installNpmPackages(folder = "") {
  if (isInstalled(folder)) return;
  const what = folder === "" ? "npm packages" : `npm packages of ${folder}/`;
  const args = ["ci", "--prefix", join(ROOT, folder), "--no-audit", "--no-fund", "--loglevel=error"];
  const log = `npm-ci${folder && `-${folder}`}`;
  await runStep(`installing ${what}`, SECONDS.packages, log, "npm", args);
}

function isInstalled(folder) {
  const installedPath = join(ROOT, folder, "node_modules", ".package-lock.json");
  if (!existsSync(installedPath)) return false;
  const wanted = JSON.parse(readFileSync(join(ROOT, folder, "package-lock.json"), "utf8")).packages;
  const installed = JSON.parse(readFileSync(installedPath, "utf8")).packages;
  // Optional packages may be for another processor or system.
  return Object.entries(wanted).every(
    ([path, { version, optional }]) =>
      path === "" || installed[path]?.version === version || (optional && installed[path] === undefined),
  );
}

/** What the compiled code depends on, and whether it must be compiled. */
function compilation() {
  const stampPath = join(LOGS, "tsc.stamp");
  const sources = listFiles(join(ROOT, "src")).filter((path) => !path.endsWith(".test.ts"));
  const inputs = [
    ...sources,
    ...["package-lock.json", "tsconfig.json", "tsconfig.build.json", "studio.config.ts"].map((name) =>
      join(ROOT, name),
    ),
  ];
  const hash = createHash("sha256");
  for (const path of inputs) hash.update(`${path}:${statSync(path).mtimeMs}:${statSync(path).size}\n`);
  const stamp = hash.digest("hex");
  const isBuilt = existsSync(join(ROOT, "dist", "cli", "main.js"));
  const isNeeded = !(isBuilt && existsSync(stampPath) && readFileSync(stampPath, "utf8") === stamp);
  return { sources, stampPath, stamp, isNeeded };
}

async function compileTypeScript() {
  const { sources, stampPath, stamp, isNeeded } = compilation();
  if (!isNeeded) return;
  rmSync(stampPath, { force: true });
  await runStep("compiling TypeScript", SECONDS.typescript, "tsc", "npm", ["run", "--silent", "build"]);
  removeOrphans(sources);
  writeFileSync(stampPath, stamp);
}

/** Removes what the compiler wrote for sources that no longer exist. */
function removeOrphans(sources) {
  const stems = new Set(sources.map((path) => path.slice(join(ROOT, "src").length).replace(/\.ts$/, "")));
  const dist = join(ROOT, "dist");
  for (const path of listFiles(dist)) {
    // The studio's page is a bundle, which is written whole.
    if (path.startsWith(join(dist, "studio"))) continue;
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
  if (needed.length + wanted.length === 0) return;
  const isRoot = process.getuid?.() === 0;
  if (!existsSync("/etc/debian_version")) {
    if (needed.length === 0) return;
    throw new SetupError(
      `this machine lacks ${needed.join(", ")} (names of Debian packages); install the equivalents, or set LIBTORCH to an unpacked LibTorch`,
    );
  }
  if (!isRoot && spawnSync("sudo", ["-n", "true"], { stdio: "ignore" }).status !== 0) {
    if (needed.length === 0) return;
    throw new SetupError(
      `this machine lacks ${needed.join(", ")}; install them, then run the same command again:\n  ${installCommand([...needed, ...wanted], isRoot)}`,
    );
  }
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const install = (packages) => {
    const command = ["-c", installCommand(packages, isRoot)];
    return runStep(`installing ${packages.join(", ")}`, SECONDS.system, "apt", "sh", command, env);
  };
  if (needed.length > 0) await install(needed);
  if (wanted.length > 0) {
    try {
      await install(wanted);
    } catch (error) {
      say(
        `${wanted.join(", ")} cannot be installed, so the tests that need it are skipped: ${error.message}`,
      );
    }
  }
  locateAndRemember(defaultCache());
}

async function buildNativeAddon() {
  const { buildAddon } = await importBuilt("native/build.js");
  await buildAddon({ onProgress: say });
}

/** Imports a module that was compiled to `dist/`. */
export function importBuilt(path) {
  return import(pathToFileURL(join(ROOT, "dist", path)).href);
}

/**
 * Runs one program, with lines of progress. Its output goes to a log, the end of which is shown when it fails.
 * @param seconds How long it usually takes.
 */
async function runStep(what, seconds, logName, program, args, env = process.env) {
  const clock = new StepClock(what, seconds, say);
  const logPath = join(LOGS, `${logName}.log`);
  mkdirSync(dirname(logPath), { recursive: true });
  const log = openSync(logPath, "w");
  const outcome = await runProgram(program, args, { stdio: ["ignore", log, log], env });
  clock.stop();
  closeSync(log);
  if (outcome === 0) return;
  const lines = readFileSync(logPath, "utf8").trimEnd().split("\n").slice(-15);
  throw new SetupError(
    `${what} failed (${outcome}); the log is ${logPath} and ends with\n${lines.join("\n")}`,
  );
}

/**
 * Runs a program in the checkout. It ends with this process, or when `limitMs` have passed.
 * @returns 0, or a description of how it failed; `OVER_LIMIT` when the limit ended it.
 */
export function runProgram(program, args, { limitMs, ...options }) {
  return new Promise((resolve) => {
    // It leads a process group, so that everything it starts can be ended with it.
    const child = spawn(program, args, { cwd: ROOT, ...options, detached: true });
    const end = () => process.kill(-child.pid, "SIGTERM");
    let isOverLimit = false;
    const endAtLimit = () => {
      isOverLimit = true;
      process.kill(-child.pid, "SIGKILL");
    };
    const limit = limitMs && setTimeout(endAtLimit, limitMs);
    process.once("exit", end);
    const finish = (outcome) => {
      clearTimeout(limit);
      process.off("exit", end);
      resolve(outcome);
    };
    child.once("error", (error) => finish(error.message));
    child.once("close", (code, signal) =>
      finish(isOverLimit ? OVER_LIMIT : code === 0 ? 0 : (signal ?? `exit status ${code}`)),
    );
  });
}
