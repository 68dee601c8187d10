import { Command } from "commander";
import { buildAddon } from "../native/build.ts";
import { describeDiagnosis, diagnose } from "../native/diagnose.ts";

interface DoctorOptions {
  readonly build?: true;
  readonly json?: true;
}

/** `dualpipe doctor`: exit status 1 when something that training needs is missing. */
export function doctorCommand(): Command {
  return new Command("doctor")
    .description("Show what dualpipe found on this machine, what is missing and how to mend it.")
    .option("--build", "search for LibTorch afresh and build the native addon first")
    .option("--json", "print the findings as JSON")
    .addHelpText(
      "after",
      "\nLibTorch is searched for in LIBTORCH, then in a python3 that has torch, then in the system.",
    )
    .action(runDoctor);
}

async function runDoctor(options: DoctorOptions): Promise<void> {
  if (options.build) {
    await buildAddon({ force: true, onStart: (line) => process.stderr.write(`dualpipe: ${line}\n`) });
  }
  const diagnosis = diagnose();
  process.stdout.write(
    options.json ? `${JSON.stringify(diagnosis, undefined, 2)}\n` : describeDiagnosis(diagnosis),
  );
  if (!diagnosis.ok) process.exitCode = 1;
}
