// `npm start`: sets up what is missing, then trains the example. Further arguments go to `dualpipe train`.
import { join } from "node:path";
import { importBuilt, ROOT, setUpOrExplain } from "./setup.mjs";

if (await setUpOrExplain()) {
  process.chdir(ROOT);
  // The command runs in this process: a child would need Ctrl-C passed on, and could outlive it.
  process.argv.splice(
    1,
    1,
    join(ROOT, "dist", "cli", "main.js"),
    "train",
    join("examples", "gpt", "config.yaml"),
  );
  await importBuilt("cli/main.js");
} else {
  process.exitCode = 1;
}
