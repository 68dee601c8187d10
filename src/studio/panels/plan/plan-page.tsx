/** All ways to train a model on given devices, in a plot of memory and time, and the step of the one that is picked. */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { PlannedRun } from "../../../schedule/index.ts";
import { WITHIN_MAX } from "../../plan/plan-settings.ts";
import { keyOfRun, settingsOfRun } from "../../plan/planned-settings.ts";
import { fastestRun, timeLimit } from "../../plan/scatter.ts";
import { type LoadedStep, loadStep, type Session } from "../../session.ts";
import type { PlanResult } from "../../worker/plan-devices.ts";
import { Legend } from "../legend.tsx";
import { MemoryChart } from "../memory-chart.tsx";
import { NumberField } from "../settings/number-field.tsx";
import { type CameraState, TimelineView } from "../timeline-view.tsx";
import { Answer } from "./answer.tsx";
import { CandidateTable } from "./candidate-table.tsx";
import { PlanForm } from "./plan-form.tsx";
import { describeRun, sizesOfRun, titleOfRun } from "./run-text.ts";
import { MarkLegend, ScatterChart } from "./scatter-chart.tsx";

export function PlanPage({ session }: { session: Session }) {
  const { texts } = session.view.value.plan;
  useEffect(() => session.planner.ask(texts), [texts]);
  const result = session.planner.result.value;
  const problem = session.planner.problem.value;
  return (
    <div class="page plain">
      <PlanForm session={session} />
      <section
        class={`stage ${problem ? "stale" : ""}`}
        aria-label="Plan"
        aria-busy={session.planner.isBusy.value || result === undefined}
      >
        {problem && (
          <p class="problem" role="alert">
            {problem}
          </p>
        )}
        {result && <Planned session={session} result={result} />}
      </section>
    </div>
  );
}

function Planned({ session, result }: { session: Session; result: PlanResult }) {
  const { candidates, request, search } = result;
  const { pick: key, within } = session.view.value.plan;
  const { memoryBytes } = request.device;
  const picked = candidates.find((run) => keyOfRun(run) === key) ?? fastestRun(candidates, memoryBytes);
  const pick = (run: PlannedRun) => session.changePlan({ pick: keyOfRun(run) }, `pick ${keyOfRun(run)}`);
  const zoom = (percent: number) =>
    session.changePlan(
      { within: Number(Math.max(0.5, Math.min(WITHIN_MAX, percent)).toPrecision(3)) },
      "within",
    );
  const limit = timeLimit(candidates, memoryBytes, within);
  const numSlower = candidates.filter(({ stepSeconds }) => stepSeconds > limit).length;
  return (
    <>
      <h2>
        {candidates.length} ways to train {request.globalBatch} sequences a step on {request.numDevices}{" "}
        devices
      </h2>
      <Answer session={session} result={result} />
      <ScatterChart
        candidates={candidates}
        memoryBytes={memoryBytes}
        within={within}
        picked={picked}
        pick={pick}
        zoom={zoom}
      />
      <MarkLegend candidates={candidates} />
      <div class="inline-fields">
        <NumberField
          control={{
            ...{ key: "within", label: "Drawn up to", meaning: "% slower than the fastest that fits" },
            ...{ min: 1, max: 200, step: 1, empty: "50" },
          }}
          text={String(within)}
          change={(text) => Number(text) > 0 && zoom(Number(text))}
        />
        <p class="note" role="status">
          {numSlower > 0 && `${numSlower} slower runs are not drawn. `}
          {search === undefined
            ? "Searching for a program that is better than all of these."
            : `Search: ${search}.`}
        </p>
      </div>
      {picked && <PickedRun session={session} result={result} run={picked} />}
      <CandidateTable result={result} picked={picked} pick={pick} />
    </>
  );
}

interface PickedRunProps {
  readonly session: Session;
  readonly result: PlanResult;
  readonly run: PlannedRun;
}

/** The timeline of a run, and the way to the pages that can change it. */
function PickedRun({ session, result, run }: PickedRunProps) {
  const cameraState = useSignal<CameraState | undefined>(undefined);
  const step = useSignal<LoadedStep | undefined>(undefined);
  const key = keyOfRun(run);
  const program = run.schedule === "searched" ? result.searchedProgram : undefined;
  const settings = settingsOfRun(result.request, run, program);
  useEffect(() => {
    session.client.ask("picked run", settings, (answer) => {
      if ("step" in answer) step.value = loadStep(answer.step);
    });
  }, [key, result]);
  return (
    <section aria-label="Picked run">
      <h2>
        {titleOfRun(run)}: {sizesOfRun(run)}
      </h2>
      <p class="note">
        {describeRun(run)}. The timeline is one pipeline in ms, without the all-reduce after it; memory is in
        GB.{" "}
        <button
          type="button"
          onClick={() =>
            session.navigate({ ...session.view.value, page: "design", settings }, `design ${key}`)
          }
        >
          Open in Design
        </button>
      </p>
      {step.value && (
        <>
          <TimelineView
            name={`Timeline of ${titleOfRun(run)}`}
            step={step.value}
            theme={session.theme.value}
            height={Math.min(360, step.value.result.numRanks * 28 + 26)}
            cameraState={cameraState}
          />
          <MemoryChart step={step.value} theme={session.theme.value} cameraState={cameraState} />
          <Legend hasBothDirections={step.value.drawn.rows.hasBothDirections} />
        </>
      )}
    </section>
  );
}
