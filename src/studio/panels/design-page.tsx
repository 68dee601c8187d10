import { useSignal } from "@preact/signals";
import type { Session } from "../session.ts";
import { FilesPanel } from "./files-panel.tsx";
import { Legend } from "./legend.tsx";
import { MemoryChart } from "./memory-chart.tsx";
import { RankTable } from "./rank-table.tsx";
import { ControlsPanel } from "./settings/controls-panel.tsx";
import { Summary } from "./summary.tsx";
import { type CameraState, TimelineView } from "./timeline-view.tsx";

const ROW_HEIGHT = 30;
const AXIS_HEIGHT = 26;
const HEIGHT_MAX = 560;

/** Choose a step and look at it. */
export function DesignPage({ session }: { session: Session }) {
  const cameraState = useSignal<CameraState | undefined>(undefined);
  const showsTable = useSignal(false);
  const step = session.step.value;
  const problem = session.problem.value;
  return (
    <div class="page design">
      <ControlsPanel session={session} />
      <section
        class={`stage ${problem ? "stale" : ""}`}
        aria-label="Timeline"
        aria-busy={session.isBusy.value}
      >
        {problem && (
          <pre class="problem" role="alert">
            {problem}
          </pre>
        )}
        {step && (
          <>
            <h2>
              {step.result.title}: {step.result.numRanks} ranks, {step.result.numStages} stages,{" "}
              {step.result.numMicroBatches} micro-batches
            </h2>
            <TimelineView
              name={`Timeline of ${step.result.title}`}
              step={step}
              theme={session.theme.value}
              height={Math.min(HEIGHT_MAX, step.result.numRanks * ROW_HEIGHT + AXIS_HEIGHT)}
              cameraState={cameraState}
            />
            <MemoryChart step={step} theme={session.theme.value} cameraState={cameraState} />
            <Legend hasBothDirections={step.drawn.rows.hasBothDirections} />
            <button
              type="button"
              class="quiet"
              aria-pressed={showsTable.value}
              onClick={() => {
                showsTable.value = !showsTable.value;
              }}
            >
              {showsTable.value ? "Hide" : "Show"} the table
            </button>
            <RankTable step={step} isHidden={!showsTable.value} />
          </>
        )}
      </section>
      <div class="side">
        {step && <Summary step={step} settings={session.settings.value} />}
        <FilesPanel session={session} step={step} />
      </div>
    </div>
  );
}
