// `npm start`: sets up what is missing, then trains the example. Further arguments go to `dualpipe train`.
import { join } from "node:path";
import { trainingSeconds } from "./forecast.mjs";
import { importBuilt, ROOT, setUpOrExplain } from "./setup.mjs";

const args = process.argv.slice(2);
const seconds = trainingSeconds(args, join(ROOT, "runs", "gpt", "metrics.jsonl"));
const training = seconds === undefined ? [] : [["training", seconds]];
if (await setUpOrExplain({ next: training })) {
  process.chdir(ROOT);
  // The command runs in this process: a child would need Ctrl-C passed on, and could outlive it.
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
