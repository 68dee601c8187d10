// `npm run bench [-- OPTIONS]`: sets up what is missing, compiles this folder to JavaScript and runs it with dist/.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { exitOnSignals, ROOT, setUpOrExplain } from "../scripts/setup.mjs";

const COMPILED = join(ROOT, "build", "bench");

/** Compiles the benchmark, because a TypeScript loader in the rank threads would be measured with them. */
async function compile() {
  const { transformWithOxc } = await import("vite");
  const folder = join(ROOT, "bench");
  for (const name of readdirSync(folder, { recursive: true }).filter((file) => file.endsWith(".ts"))) {
    const { code } = await transformWithOxc(readFileSync(join(folder, name), "utf8"), name);
    const linked = code.replaceAll(/"(\.\.?\/[^"]+)\.ts"/g, (_, path) =>
      JSON.stringify(`${path.replace(/^((?:\.\.\/)+)src\//, "$1../dist/")}.js`),
    );
    const compiled = join(COMPILED, name.replace(/\.ts$/, ".js"));
    mkdirSync(dirname(compiled), { recursive: true });
    writeFileSync(compiled, linked);
  }
}

if (await setUpOrExplain()) {
  await compile();
  exitOnSignals();
  // A word before the options chooses another benchmark than the speed of steps.
  const args = process.argv.slice(2);
  const other = {
    predictions: "predictions.js",
    checkpoint: "checkpoint-cost.js",
    "studio-cost": "studio-cost.js",
    nodes: "nodes.js",
    plans: "plans.js",
    searches: "searches.js",
    adapting: "adapting.js",
    gpu: "gpu/main.js",
    schedules: "gpu/schedules.js",
  }[args[0]];
  if (other) args.shift();
  const { main } = await import(pathToFileURL(join(COMPILED, other ?? "main.js")).href);
  process.exitCode = await main(args);
} else {
  process.exitCode = 1;
}
