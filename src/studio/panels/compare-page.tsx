/** Several steps on one clock, and their numbers side by side. */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { schedules } from "../../schedule/index.ts";
import { type LoadedStep, loadStep, loadTimeline, type Session } from "../session.ts";
import { isSchedule, withScheduleForModel } from "../view/controls.ts";
import type { StepSettings } from "../view/settings.ts";
import { type ComparedStep, CompareTable } from "./compare-table.tsx";
import { type CameraState, TimelineView } from "./timeline-view.tsx";

const ROW_HEIGHT = 22;
const AXIS_HEIGHT = 26;
const HEIGHT_MAX = 320;

export function ComparePage({ session }: { session: Session }) {
  const cameraState = useSignal<CameraState | undefined>(undefined);
  const others = useOthers(session);
  const measured = session.measured.value;
  const own = session.step.value;
  const compared: ComparedStep[] = [
    ...(own ? [{ name: own.result.title, step: own }] : []),
    ...others.flatMap((step) => (step ? [{ name: step.result.title, step }] : [])),
    ...(measured ? [{ name: `measured: ${measured.name}`, step: loadTimeline(measured.timeline) }] : []),
  ];
  const clock = Math.max(0, ...compared.map(({ step }) => step.drawn.makespan));
  const isBusy = session.isBusy.value || others.includes(undefined);
  return (
    <div class="page plain">
      <CompareForm session={session} />
      <section class="stage" aria-label="Comparison" aria-busy={isBusy}>
        {session.problem.value && (
          <p class="problem" role="alert">
            {session.problem.value}
          </p>
        )}
        <CompareTable steps={compared} />
        {compared.map(({ name, step }, i) => (
          <div key={`${i} ${name}`}>
            <h2>
              {name}: {step.drawn.numRanks} ranks, {step.drawn.numMicroBatches} micro-batches
            </h2>
            <TimelineView
              name={`Timeline ${i + 1}, ${name}`}
              step={step}
              theme={session.theme.value}
              height={Math.min(HEIGHT_MAX, step.drawn.numRanks * ROW_HEIGHT + AXIS_HEIGHT)}
              cameraState={cameraState}
              clock={clock}
              marks={compared.map((other) => other.step.drawn.makespan)}
            />
          </div>
        ))}
      </section>
    </div>
  );
}

/** The other steps of the view, as the worker answers. */
function useOthers(session: Session): readonly (LoadedStep | undefined)[] {
  const { others } = session.view.value;
  const loaded = useSignal<ReadonlyMap<StepSettings, LoadedStep | undefined>>(new Map());
  useEffect(() => {
    for (const [i, settings] of others.entries()) {
      if (loaded.peek().has(settings)) continue;
      session.client.ask(`other ${i}`, settings, (answer) => {
        const step = "step" in answer ? loadStep(answer.step) : undefined;
        if (!("step" in answer)) session.problem.value = answer.problem;
        loaded.value = new Map([...loaded.peek(), [settings, step]]);
      });
    }
  }, [others]);
  return others.map((settings) => loaded.value.get(settings));
}

function CompareForm({ session }: { session: Session }) {
  const view = session.view.value;
  const choose = (at: number, name: string) => {
    const settings = withScheduleForModel(view.settings, name);
    session.navigate({ ...view, others: view.others.with(at, settings) }, `compare ${at} ${name}`);
  };
  const add = () => {
    const used = [view.settings, ...view.others].map(({ schedule }) => schedule);
    const name = schedules.find((schedule) => !used.includes(schedule.name))?.name ?? "dualpipe";
    const settings = withScheduleForModel(view.settings, name);
    session.navigate({ ...view, others: [...view.others, settings] }, `add ${view.others.length}`);
  };
  const remove = (at: number) =>
    session.navigate({ ...view, others: view.others.toSpliced(at, 1) }, `remove ${at} ${view.others.length}`);
  return (
    <form class="controls" aria-label="Steps to compare" onSubmit={(event) => event.preventDefault()}>
      <p class="note">
        The first step is that of the Design page: {view.settings.schedule}. The others begin with its sizes
        and costs.
      </p>
      {view.others.map((settings, i) => (
        <div class="field wide" key={`${i}`}>
          <label for={`other-${i}`}>Compared with</label>
          <select
            id={`other-${i}`}
            value={settings.schedule}
            onChange={({ currentTarget }) => choose(i, currentTarget.value)}
          >
            {!isSchedule(settings.schedule) && <option value={settings.schedule}>{settings.schedule}</option>}
            {schedules.map(({ name, title }) => (
              <option key={name} value={name}>
                {title}
              </option>
            ))}
          </select>
          <button
            type="button"
            onClick={() =>
              session.navigate(
                { ...view, page: "design", settings, others: view.others.with(i, view.settings) },
                `edit ${i}`,
              )
            }
          >
            Change it
          </button>{" "}
          <button type="button" onClick={() => remove(i)}>
            Remove
          </button>
        </div>
      ))}
      <button type="button" onClick={add}>
        Add a schedule
      </button>
    </form>
  );
}
