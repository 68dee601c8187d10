// `npm run bench [-- OPTIONS]`: sets up what is missing, makes JavaScript of this folder and runs it on the code in dist/.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { exitOnSignals, ROOT, setUpOrExplain } from "../scripts/setup.mjs";

const COMPILED = join(ROOT, "build", "bench");

/** A loader of TypeScript in the rank threads would be measured with them. */
async function compile() {
  const { transformWithOxc } = await import("vite");
  const folder = join(ROOT, "bench");
  mkdirSync(COMPILED, { recursive: true });
  for (const name of readdirSync(folder).filter((file) => file.endsWith(".ts"))) {
    const { code } = await transformWithOxc(readFileSync(join(folder, name), "utf8"), name);
    const linked = code.replaceAll(/"(\.\.?\/[^"]+)\.ts"/g, (_, path) =>
      JSON.stringify(`${path.replace(/^\.\.\/src\//, "../../dist/")}.js`),
    );
    writeFileSync(join(COMPILED, name.replace(/\.ts$/, ".js")), linked);
  }
}

if (await setUpOrExplain()) {
  await compile();
  exitOnSignals();
  // `npm run bench -- predictions ...` is about the simulator, everything else about speed.
  const [first, ...rest] = process.argv.slice(2);
  const program = first === "predictions" ? "predictions.js" : "main.js";
  const { main } = await import(pathToFileURL(join(COMPILED, program)).href);
  process.exitCode = await main(first === "predictions" ? rest : process.argv.slice(2));
} else {
  process.exitCode = 1;
}
