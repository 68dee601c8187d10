// The command line, in which something throws an exception after the first step of a run that nothing catches.
import { runCli } from "../../src/cli/run.ts";

const write = process.stderr.write.bind(process.stderr);
process.stderr.write = (text, ...rest) => {
  if (/step +1\//.test(String(text)))
    setTimeout(() => {
      throw new Error("thrown by a timer");
    });
  return write(text, ...rest);
};
process.exitCode = await runCli(process.argv.slice(2));
