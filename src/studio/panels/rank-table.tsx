/** What the canvas shows, as a table for screen readers and for copying. */
import { nameOf, timeText } from "../chart/block-text.ts";
import type { DrawnStep } from "../chart/drawn-step.ts";
import type { LoadedStep } from "../session.ts";

const RANKS_MAX = 64;
const BLOCKS_MAX = 120;

export function RankTable({ step, isHidden }: { step: LoadedStep; isHidden: boolean }) {
  const { drawn, result } = step;
  const numRows = Math.min(RANKS_MAX, drawn.numRanks);
  return (
    <div class={isHidden ? "hidden" : "rank-table"}>
      <table>
        <caption>
          {result.title}: what each rank computes
          {numRows < drawn.numRanks ? `; the first ${numRows} of ${drawn.numRanks} ranks` : ""}
        </caption>
        <thead>
          <tr>
            {[
              "Rank",
              "Work",
              "Bubble",
              "Data",
              "Link",
              "Imbalance",
              "Tail",
              "Activations",
              "Computations",
            ].map((name) => (
              <th scope="col" key={name}>
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {Array.from({ length: numRows }, (_, rank) => {
            const { data, link, imbalance, tail } = result.bubbleCauses[rank]!;
            const numbers = [result.work[rank]!, result.bubble[rank]!, data, link, imbalance, tail];
            return (
              <tr key={rank}>
                <th scope="row">{drawn.rows.titleOf(rank)}</th>
                {numbers.map((value, i) => (
                  <td key={`${i}`}>{timeText(value)}</td>
                ))}
                <td>{result.peakActivations[rank]}</td>
                <td class="computations">{computations(drawn, rank)}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

function computations(drawn: DrawnStep, rank: number): string {
  const names: string[] = [];
  for (const block of drawn.blocksOf(rank)) {
    if (names.length === BLOCKS_MAX) return `${names.join(" ")} and more`;
    names.push(nameOf(block));
  }
  return names.join(" ");
}
