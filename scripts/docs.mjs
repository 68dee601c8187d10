// `npm run docs`: writes the guides of docs/ and the reference of the API to build/docs, as one site with a search. A
// link that leads nowhere is an error.
import { join } from "node:path";
import { exitOnSignals, ROOT, runProgram, setUpDocs, setUpOrExplain } from "./setup.mjs";

const TYPEDOC = join(ROOT, "site", "node_modules", "typedoc", "bin", "typedoc");

process.exitCode = 1;
if (await setUpOrExplain({ steps: setUpDocs })) {
  exitOnSignals();
  const args = [TYPEDOC, "--options", join(ROOT, "site", "typedoc.json")];
  if ((await runProgram(process.execPath, args, { stdio: "inherit" })) === 0) process.exitCode = 0;
}
