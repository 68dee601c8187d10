/** Several steps on one clock, planned and measured, their numbers side by side, and how their blocks differ. */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { nameOfTrace } from "../../files/trace-store.ts";
import { type LoadedStep, loadStep, loadTimeline, type Session } from "../../session.ts";
import type { StepSettings } from "../../view/settings.ts";
import { FilesPanel } from "../files-panel.tsx";
import type { CameraState } from "../timeline-view.tsx";
import { CompareForm } from "./compare-form.tsx";
import { type ComparedStep, CompareTable } from "./compare-table.tsx";
import { ComparedTimeline } from "./compared-timeline.tsx";

export function ComparePage({ session }: { session: Session }) {
  const cameraState = useSignal<CameraState | undefined>(undefined);
  const { omitsOwn } = session.view.value;
  const others = useOthers(session);
  const measured = useTraces(session);
  const own = omitsOwn ? undefined : session.step.value;
  const compared: ComparedStep[] = [
    ...(own ? [{ name: own.result.title, step: own }] : []),
    ...others.flatMap((step) => (step ? [{ name: step.result.title, step }] : [])),
    ...measured.flatMap(({ name, step }) => (step ? [{ name: `measured: ${name}`, step }] : [])),
  ];
  const clock = Math.max(0, ...compared.map(({ step }) => step.drawn.makespan));
  const isBusy = (!omitsOwn && session.isBusy.value) || others.includes(undefined);
  return (
    <div class="page plain">
      <div>
        <CompareForm session={session} />
        <FilesPanel session={session} step={undefined} />
      </div>
      <section class="stage" aria-label="Comparison" aria-busy={isBusy}>
        {session.problem.value && (
          <p class="problem" role="alert">
            {session.problem.value}
          </p>
        )}
        {measured.map(
          ({ name, problem }) =>
            problem && (
              <p class="problem" role="alert" key={name}>
                {problem}
              </p>
            ),
        )}
        <CompareTable steps={compared} />
        {compared.map((_, i) => (
          <ComparedTimeline
            key={`${i}`}
            session={session}
            compared={compared}
            at={i}
            clock={clock}
            cameraState={cameraState}
          />
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

interface LoadedTrace {
  readonly name: string;
  readonly step?: LoadedStep;
  /** Why there is no step. */
  readonly problem?: string;
}

/** The measured steps of the view: of files, and of the runs that the server follows. */
function useTraces(session: Session): LoadedTrace[] {
  const { traces } = session.view.value;
  const loaded = session.traces.loaded.value;
  useEffect(() => {
    for (const id of traces) if (runOfTrace(id) === undefined) void session.traces.load(id);
  }, [traces]);
  return traces.map((id): LoadedTrace => {
    const run = runOfTrace(id);
    if (run === undefined) {
      const name = nameOfTrace(id);
      const timeline = loaded.get(id);
      if (timeline !== undefined) return { name, step: loadTimeline(timeline) };
      if (!loaded.has(id)) return { name };
      return { name, problem: `${name} was opened in another browser; open the file here too` };
    }
    const store = session.runs[run];
    if (store === undefined)
      return {
        name: id,
        problem: `this page follows no ${id}; serve it with: dualpipe studio FOLDER FOLDER`,
      };
    const newest = store.timeline.value;
    const name = store.info.value?.folder ?? id;
    if (newest === undefined) return { name };
    return { name: `${name}, step ${newest.step}`, step: loadTimeline(newest.timeline) };
  });
}

/** The position of the run that a trace is of; undefined for one of a file. */
function runOfTrace(id: string): number | undefined {
  const run = /^run:(\d)$/.exec(id)?.[1];
  return run === undefined ? undefined : Number(run);
}
