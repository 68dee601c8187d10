/** The numbers of a step: its time, the bubble by cause, what ranks hold, and the command that prints the same. */
import { timeText } from "../chart/block-text.ts";
import type { LoadedStep } from "../session.ts";
import { commandOf, type StepSettings } from "../view/settings.ts";
import type { StepResult } from "../worker/step-result.ts";

/** A line of the summary: what it is, its value, and the meaning of the words. */
export interface SummaryLine {
  readonly name: string;
  readonly value: string;
  readonly meaning: string;
}

/** The value of what a step does not say. */
export const NOT_MEASURED = "–";

const percent = (share: number) => `${(100 * share).toFixed(1)} %`;

/** The lines of a step's summary. */
export function summaryLines(result: StepResult): SummaryLine[] {
  const { makespan, bubbleRatio, bubbleCauses, numRanks, numStages, placement, peakActivations, memory } =
    result;
  const all = makespan * numRanks;
  const share = (cause: keyof (typeof bubbleCauses)[number]) =>
    percent(all > 0 ? bubbleCauses.reduce((sum, causes) => sum + (causes[cause] ?? 0), 0) / all : 0);
  const host = bubbleCauses[0]?.host === undefined ? NOT_MEASURED : share("host");
  const copies = placement.rankOfStage.length;
  const held = numStages * (copies > 1 ? copies : 1);
  return [
    { name: "Step", value: timeText(makespan), meaning: "from the first computation to the end of the last" },
    {
      name: "Bubble",
      value: percent(bubbleRatio),
      meaning: "share of the ranks' time without a computation",
    },
    { name: "… data", value: share("data"), meaning: "waiting for values that are not computed yet" },
    { name: "… link", value: share("link"), meaning: "waiting for values that are under way" },
    { name: "… host", value: host, meaning: "neither computing nor waiting for values; only measured" },
    { name: "… imbalance", value: share("imbalance"), meaning: "a rank has less to do than the busiest" },
    { name: "… tail", value: share("tail"), meaning: "after a rank's own last computation" },
    {
      name: "Activations",
      value: String(Math.max(...peakActivations)),
      meaning: "micro-batches of a stage that a rank holds at most",
    },
    {
      name: "Memory",
      value: memory.length === 0 ? "…" : timeText(Math.max(...memory.map(({ peak }) => peak))),
      meaning: "of the fullest rank",
    },
    {
      name: "Parameters",
      value: `${timeText(held / numStages)} x`,
      meaning: copies > 1 ? "each stage is held by two ranks" : "each stage is held by one rank",
    },
    { name: "Devices", value: String(numRanks), meaning: `for ${numStages} stages` },
  ];
}

export function Summary({ step, settings }: { step: LoadedStep; settings: StepSettings }) {
  const { result } = step;
  const command = commandOf(settings);
  const lines = summaryLines(result).filter(({ value }) => value !== NOT_MEASURED);
  return (
    <section class="summary" aria-label="Numbers of the step">
      <table>
        <tbody>
          {lines.map(({ name, value, meaning }) => (
            <tr key={name}>
              <th scope="row">
                {name} <small>{meaning}</small>
              </th>
              <td>{value}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <p class="note">{result.source}</p>
      {command && (
        <p class="note">
          The same in a terminal: <code>{command}</code>
        </p>
      )}
    </section>
  );
}
