/** One program's time for a step of one workload. */
export interface GpuResult {
  readonly workload: string;
  readonly program: string;
  readonly medianMs: number;
  /** Memory of the card that had the most. */
  readonly peakBytes: number;
  /** For our own program: how long a step took the host, and how often it waited for the card. */
  readonly launchMs?: number;
  readonly numSynchronizations?: number;
}

/** Everything that one run measured, as `--json` writes it. */
export interface GpuReport {
  readonly date: string;
  readonly cards: readonly string[];
  readonly versions: Readonly<Record<string, string | null>>;
  readonly results: readonly GpuResult[];
}

/** The table of a run, in Markdown: a row for each program, a column for each workload. */
export function formatGpuReport({ date, cards, versions, results }: GpuReport): string {
  const workloads = [...new Set(results.map(({ workload }) => workload))];
  const programs = [...new Set(results.map(({ program }) => program))];
  const cell = (program: string, workload: string): string => {
    const result = results.find((each) => each.program === program && each.workload === workload);
    return result ? `${result.medianMs.toFixed(2)} / ${(result.peakBytes / 1e9).toFixed(2)}` : "";
  };
  const rows = [
    ["median ms of a step / peak GB", ...workloads],
    ["---", ...workloads.map(() => "---")],
    ...programs.map((program) => [program, ...workloads.map((workload) => cell(program, workload))]),
  ];
  const on = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const host = results
    .filter(({ launchMs }) => launchMs !== undefined)
    .map(
      ({ program, workload, launchMs, numSynchronizations }) =>
        `${program}, ${workload}: the host takes ${launchMs!.toFixed(2)} ms to launch a step, and waits ${numSynchronizations} times`,
    );
  return [
    `${date}, ${cards.length} cards: ${[...new Set(cards)].join(", ")}; ${on.join(", ")}.`,
    rows.map((row) => `| ${row.join(" | ")} |`).join("\n"),
    ...host,
  ].join("\n\n");
}
