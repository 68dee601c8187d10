/** What the plot shows, as a table: to read, to copy, and to pick from. */
import { useSignal } from "@preact/signals";
import type { PlannedRun } from "../../../schedule/index.ts";
import { keyOfRun } from "../../plan/planned-settings.ts";
import { byTime } from "../../plan/scatter.ts";
import { gigabytes, percent, seconds } from "../../plan/weigh.ts";
import type { PlanResult } from "../../worker/plan-devices.ts";
import { sizesOfRun, titleOfRun } from "./run-text.ts";

const ROWS_MAX = 100;

interface CandidateTableProps {
  readonly result: PlanResult;
  readonly picked: PlannedRun | undefined;
  readonly pick: (run: PlannedRun) => void;
}

export function CandidateTable({ result, picked, pick }: CandidateTableProps) {
  const isShown = useSignal(false);
  const { candidates, request, lost } = result;
  const rows = candidates.toSorted(byTime).slice(0, ROWS_MAX);
  return (
    <>
      <button
        type="button"
        class="quiet"
        aria-pressed={isShown.value}
        onClick={() => {
          isShown.value = !isShown.value;
        }}
      >
        {isShown.value ? "Hide" : "Show"} the table
      </button>
      <div class={isShown.value ? "rank-table" : "hidden"}>
        <table>
          <caption>
            Runs by time
            {rows.length < candidates.length ? `; the first ${rows.length} of ${candidates.length}` : ""}
          </caption>
          <thead>
            <tr>
              {["Schedule", "Sizes", "Step", "MFU", "Bubble", "Memory", "Fits", "Layers of stages"].map(
                (name) => (
                  <th scope="col" key={name}>
                    {name}
                  </th>
                ),
              )}
            </tr>
          </thead>
          <tbody>
            {rows.map((run) => (
              <tr key={keyOfRun(run)} aria-current={run === picked ? "true" : undefined}>
                <th scope="row">
                  <button
                    type="button"
                    class="quiet"
                    tabIndex={isShown.value ? 0 : -1}
                    onClick={() => pick(run)}
                  >
                    {titleOfRun(run)}
                  </button>
                </th>
                <td>{sizesOfRun(run)}</td>
                <td>{seconds(run.stepSeconds)}</td>
                <td>{percent(run.mfu)}</td>
                <td>{percent(run.bubbleRatio)}</td>
                <td>{gigabytes(run.peakBytes)}</td>
                <td>{run.peakBytes <= request.device.memoryBytes ? "yes" : "no"}</td>
                <td>{run.layerCounts.join(" ")}</td>
              </tr>
            ))}
          </tbody>
        </table>
        {lost.length > 0 && (
          <ul class="notes">
            {lost.map(({ schedule, reason }) => (
              <li key={schedule}>
                {schedule} lost: {reason}
              </li>
            ))}
          </ul>
        )}
      </div>
    </>
  );
}
