import { stripVTControlCharacters } from "node:util";
import type { RunListener, RunReport, Speed, StepMetrics } from "./listener.ts";

/** A stream to show progress on, such as `process.stderr`. */
export interface ProgressOutput {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  write(text: string): unknown;
}

export type ProgressStep = Speed & Omit<StepMetrics, "learningRate" | "gradientNorm">;

const PLAIN_LINE_SECONDS = 5;
const REDRAW_SECONDS = 0.1;
const CLEAR_LINE = "\r\u001b[2K";

/** Shows the progress of a run: on a terminal one line that is redrawn, elsewhere a plain line every few seconds. */
export class Progress implements RunListener {
  readonly #output: ProgressOutput;
  readonly #numSteps: number;
  #shownAtSeconds = Number.NEGATIVE_INFINITY;
  #line = "";

  constructor(numSteps: number, output: ProgressOutput) {
    this.#numSteps = numSteps;
    this.#output = output;
  }

  take(report: RunReport): void {
    switch (report.kind) {
      case "train":
        this.update(report);
        break;
      case "validation":
        this.print(
          `step ${report.step}: validation loss ${report.loss.toFixed(3)} (unigram model ${report.unigramLoss.toFixed(3)})`,
        );
        break;
      case "checkpoint":
        this.print(`step ${report.step}: checkpoint ${report.folder}`);
        break;
      case "checkpointFailed":
        this.print(
          `step ${report.step}: no checkpoint could be written; training goes on: ${report.problem}`,
        );
        break;
      case "timeline":
      case "memory":
      case "process":
      case "failed":
        break;
      default:
        report satisfies never;
    }
  }

  /** Shows a step, unless the line was redrawn just before; the first and the last step are always shown. */
  update(progress: ProgressStep): void {
    const interval = this.#output.isTTY ? REDRAW_SECONDS : PLAIN_LINE_SECONDS;
    const isLast = progress.step === this.#numSteps;
    if (!isLast && progress.elapsedSeconds - this.#shownAtSeconds < interval) return;
    this.#shownAtSeconds = progress.elapsedSeconds;
    const line = formatProgress(progress, this.#numSteps);
    if (this.#output.isTTY) {
      // A line that wraps could not be cleared.
      this.#line = line.slice(0, (this.#output.columns ?? 80) - 1);
      this.#output.write(CLEAR_LINE + this.#line);
    } else {
      this.#output.write(`${line}\n`);
    }
  }

  /** Prints a line that stays, above the line that is redrawn. */
  print(text: string): void {
    if (this.#output.isTTY) {
      this.#output.write(`${CLEAR_LINE}${text}\n${this.#line}`);
    } else {
      this.#output.write(`${stripVTControlCharacters(text)}\n`);
    }
  }

  /** Moves the cursor below the last line, which stays. */
  end(): void {
    if (this.#line === "") return;
    this.#output.write("\n");
    this.#line = "";
  }
}

function formatProgress(
  { step, loss, tokensPerSecond, secondsLeft, mfu, bubble, peakBytes, ...communication }: ProgressStep,
  numSteps: number,
): string {
  const width = String(numSteps).length;
  return [
    `step ${String(step).padStart(width)}/${numSteps}`,
    `loss ${loss.toFixed(4)}`,
    `${formatRate(tokensPerSecond)} tokens/s`,
    `${formatSeconds(secondsLeft)} left`,
    ...(mfu === undefined ? [] : [`MFU ${percent(mfu)}`]),
    ...(bubble === undefined ? [] : [`bubble ${percent(bubble)}`]),
    ...communicationInWords(communication),
    formatBytes(peakBytes),
  ].join("  ");
}

function communicationInWords({
  communicationMs: all = 0,
  exposedCommunicationMs: exposed = 0,
}: Pick<StepMetrics, "communicationMs" | "exposedCommunicationMs">): string[] {
  if (all === 0) return [];
  return [`transfers ${all.toFixed(1)} ms, ${percent(1 - exposed / all)} hidden`];
}

function percent(share: number): string {
  return `${(100 * share).toFixed(0)} %`;
}

/** In units of 10^9 or 10^6 bytes. */
function formatBytes(bytes: number): string {
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(0)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}

function formatRate(perSecond: number): string {
  return perSecond < 10_000 ? perSecond.toFixed(0) : `${(perSecond / 1000).toFixed(1)}k`;
}

function formatSeconds(seconds: number): string {
  const whole = Math.round(seconds);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60)];
  if (hours > 0) return `${hours}h ${minutes}m`;
  return minutes > 0 ? `${minutes}m ${whole % 60}s` : `${whole}s`;
}
