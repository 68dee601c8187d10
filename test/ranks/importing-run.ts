import "./starting-run.ts";

/** A rank's program whose module imports one that starts a run. */
export default function run(): void {}
