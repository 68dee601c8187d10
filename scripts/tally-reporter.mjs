// A reporter for vitest that appends each result to a file as soon as it is known, so that a run which is killed still
// tells what it did. Vitest's own JSON report is written at the end, or never. `tally.mjs` reads the file.
import { appendFileSync } from "node:fs";

export default class TallyReporter {
  #path = process.env.DUALPIPE_TALLY_FILE;

  onTestModuleStart(module) {
    this.#write({ kind: "file-start", file: module.moduleId });
  }

  onTestCaseResult(testCase) {
    this.#write({ kind: "test", state: testCase.result().state });
  }

  onTestModuleEnd(module) {
    // A file that fails without a failing test did not load, or a hook of it threw.
    const states = [...module.children.allTests()].map((testCase) => testCase.result().state);
    const isBroken = module.state() === "failed" && !states.includes("failed");
    this.#write({ kind: "file-end", file: module.moduleId, isBroken });
  }

  #write(record) {
    appendFileSync(this.#path, `${JSON.stringify(record)}\n`);
  }
}
