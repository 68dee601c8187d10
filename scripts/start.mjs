// `npm start`: sets up what is missing, then trains the example; further arguments go to `dualpipe train`.
import { join } from "node:path";
import { importBuilt, ROOT, setUpOrExplain } from "./setup.mjs";

if (await setUpOrExplain()) {
  process.chdir(ROOT);
  // In this process rather than in a child: one Ctrl-C reaches it, and no orphan can stay behind.
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
