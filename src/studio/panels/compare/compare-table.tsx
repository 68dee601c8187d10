import { timeText } from "../../chart/block-text.ts";
import type { LoadedStep } from "../../session.ts";
import { NOT_MEASURED, type SummaryLine, summaryLines } from "../summary.tsx";

export interface ComparedStep {
  readonly name: string;
  readonly step: LoadedStep;
}

/** The numbers of several steps; times also as a share of the first one's. */
export function CompareTable({ steps }: { steps: readonly ComparedStep[] }) {
  const [first] = steps;
  if (first === undefined) return null;
  const columns = steps.map(({ step }) => [perMicroBatch(step), ...summaryLines(step.result)]);
  return (
    <div class="rank-table">
      <table>
        <caption>The first column is what the others are compared with</caption>
        <thead>
          <tr>
            <th scope="col">Number</th>
            {steps.map(({ name }, i) => (
              <th scope="col" key={`${i}`}>
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {columns[0]!.map(({ name, meaning }, row) =>
            columns.every((lines) => lines[row]!.value === NOT_MEASURED) ? null : (
              <tr key={name}>
                <th scope="row">
                  {name} <small>{meaning}</small>
                </th>
                {columns.map((lines, column) => (
                  <td key={`${column}`}>
                    {lines[row]!.value}
                    {row === 0 && column > 0 && <small> {difference(first, steps[column]!)}</small>}
                  </td>
                ))}
              </tr>
            ),
          )}
        </tbody>
      </table>
      <p class="note">{verdict(steps)}</p>
    </div>
  );
}

/** What steps of different numbers of micro-batches are compared by. */
const timeOf = ({ drawn }: LoadedStep) => drawn.makespan / drawn.numMicroBatches;

function perMicroBatch(step: LoadedStep): SummaryLine {
  return {
    name: "Per micro-batch",
    value: timeText(timeOf(step)),
    meaning: "the time of the step, shared out",
  };
}

function difference(first: ComparedStep, other: ComparedStep): string {
  const share = timeOf(other.step) / timeOf(first.step) - 1;
  if (Math.abs(share) < 5e-4) return "the same";
  return `${(100 * Math.abs(share)).toFixed(1)} % ${share > 0 ? "longer" : "shorter"}`;
}

/** What the faster of the first two steps costs and buys, in a sentence. */
function verdict(steps: readonly ComparedStep[]): string {
  if (steps.length < 2) return "Add a schedule to compare with.";
  const [fast, slow] = steps.slice(0, 2).toSorted((a, b) => timeOf(a.step) - timeOf(b.step)) as [
    ComparedStep,
    ComparedStep,
  ];
  const faster = 100 * (1 - timeOf(fast.step) / timeOf(slow.step));
  const peakOf = ({ step }: ComparedStep) => Math.max(...step.result.memory.map(({ peak }) => peak));
  const copiesOf = ({ step }: ComparedStep) => step.result.placement.rankOfStage.length;
  const memory = peakOf(slow) > 0 ? 100 * (peakOf(fast) / peakOf(slow) - 1) : 0;
  const memoryText =
    Math.abs(memory) < 0.5
      ? "the same memory on its fullest rank"
      : `${Math.abs(memory).toFixed(0)} % ${memory > 0 ? "more" : "less"} memory on its fullest rank`;
  const copies =
    copiesOf(fast) > copiesOf(slow)
      ? ", and holds every parameter twice"
      : copiesOf(fast) < copiesOf(slow)
        ? ", and holds every parameter once instead of twice"
        : "";
  const time =
    faster < 0.05
      ? `${fast.name} takes as long as ${slow.name}`
      : `${fast.name} needs ${faster.toFixed(1)} % less time per micro-batch than ${slow.name}`;
  return `${time}; it needs ${memoryText}${copies}.`;
}
