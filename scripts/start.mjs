// `npm start`: sets up what is missing, then trains the example. Further arguments go to `dualpipe train`.
import { join } from "node:path";
import { importBuilt, ROOT, setUpOrExplain } from "./setup.mjs";

if (await setUpOrExplain()) {
  process.chdir(ROOT);
  // The command runs in this process: a child would need Ctrl-C passed on, and could outlive it.
  const args = process.argv.slice(2);
  // The example's own earlier run is replaced; a folder or a checkpoint that the user names is not.
  const isOwnFolder = !args.some((arg) => arg === "--resume" || /output(\.dir)?=/.test(arg));
  process.argv = [
    process.argv[0],
    join(ROOT, "dist", "cli", "main.js"),
    "train",
    join("examples", "gpt", "config.yaml"),
    ...(isOwnFolder ? ["--overwrite"] : []),
    ...args,
  ];
  await importBuilt("cli/main.js");
} else {
  process.exitCode = 1;
}
