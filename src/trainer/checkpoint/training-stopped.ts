/** A run ended early because it was asked to, after the checkpoint that it was asked for. */
export class TrainingStopped extends Error {
  override readonly name = "TrainingStopped";
  readonly code = "STOPPED";

  /** @param folder Of the newest checkpoint. */
  constructor(step: number, folder: string | undefined) {
    const remedy =
      folder === undefined
        ? "no checkpoint could be written"
        : `the newest checkpoint is ${folder}; go on with --resume`;
    super(`dualpipe: stopped after step ${step}: ${remedy}`);
  }
}
