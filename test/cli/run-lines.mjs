// Runs several command lines in one process, which spares the start of each: `node run-lines.mjs JSON`.
import "../register-tsx.mjs";

const { runCli } = await import("../../src/cli/run.ts");
for (const emitter of [process, process.stdout, process.stderr]) emitter.setMaxListeners(0);
const writes = { stdout: process.stdout.write, stderr: process.stderr.write };
const results = [];
for (const args of JSON.parse(process.argv[2])) {
  const result = { status: 0, stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"])
    process[name].write = (text) => {
      result[name] += text;
      return true;
    };
  process.exitCode = undefined;
  result.status = await runCli(args);
  results.push(result);
}
Object.assign(process.stdout, { write: writes.stdout });
process.exitCode = 0;
process.stdout.write(JSON.stringify(results));
