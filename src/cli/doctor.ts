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
    .description("Show what dualpipe found on this machine, what is missing and how to fix it.")
    .option("--build", "search for LibTorch again and build the native addon first")
    .option("--json", "print the findings as JSON")
    .addHelpText(
      "after",
      "\nLibTorch is searched for in the folder LIBTORCH, in a python3 that has torch, and in the system. The addon is kept in DUALPIPE_CACHE, by default ~/.cache/dualpipe.",
    )
    .action(runDoctor);
}

async function runDoctor(options: DoctorOptions): Promise<void> {
  if (options.build) {
    await buildAddon({ force: true, onProgress: (line) => process.stderr.write(`dualpipe: ${line}\n`) });
  }
  const diagnosis = diagnose();
  process.stdout.write(
    options.json ? `${JSON.stringify(diagnosis, undefined, 2)}\n` : describeDiagnosis(diagnosis),
  );
  if (!diagnosis.ok) process.exitCode = 1;
}
