/** A run: its numbers, and its last measured step next to the plan at the same costs. */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { ColumnName, Connection, RunStore } from "../run/run-store.ts";
import { planOf } from "../run/run-store.ts";
import { type LoadedStep, loadStep, loadTimeline, type Session } from "../session.ts";
import { CompareTable } from "./compare/compare-table.tsx";
import { LineChart } from "./line-chart.tsx";
import { RunHealth } from "./run-health.tsx";
import { type CameraState, TimelineView } from "./timeline-view.tsx";

const CHARTS: readonly (readonly [ColumnName, string])[] = [
  ["loss", "Loss"],
  ["tokensPerSecond", "Tokens/s"],
  ["gradientNorm", "Gradient norm"],
  ["learningRate", "Learning rate"],
  ["bubble", "Bubble"],
];

const CONNECTIONS: Readonly<Record<Connection, string>> = {
  connecting: "connecting",
  open: "following the run",
  lost: "the connection is lost; the page reconnects by itself, and shows what it knew until then",
  ended: "the run has ended",
};

export function RunPage({ session }: { session: Session }) {
  const store = session.runs[session.view.value.run] ?? session.runs[0]!;
  const info = store.info.value;
  const columns = store.columns.value;
  return (
    <div class="page run">
      <section class="stage" aria-label="Run" aria-busy={info === undefined}>
        {session.runs.length > 1 && <RunSelect session={session} />}
        <h2>
          {info === undefined
            ? "A run"
            : `${info.folder}: ${info.schedule}, ${info.numRanks} ranks, ${info.numMicroBatches} micro-batches`}
        </h2>
        <p class={`connection connection-${store.connection.value}`} role="status">
          {CONNECTIONS[store.connection.value]}
        </p>
        {store.failure.value !== undefined && (
          <pre class="problem" role="alert">
            The run failed: {store.failure.value}
          </pre>
        )}
        <RunNumbers store={store} />
        <div class="line-charts">
          {CHARTS.map(([name, title]) => (
            <LineChart
              key={name}
              title={title}
              steps={columns.step}
              values={columns[name]}
              theme={session.theme.value}
            />
          ))}
        </div>
        <MeasuredAndPlanned session={session} store={store} />
        <RunHealth store={store} />
        <Notes store={store} />
      </section>
    </div>
  );
}

function RunSelect({ session }: { session: Session }) {
  const view = session.view.value;
  return (
    <p>
      <label>
        Run{" "}
        <select
          value={String(view.run)}
          onChange={({ currentTarget }) =>
            session.navigate({ ...view, run: Number(currentTarget.value) }, `run ${currentTarget.value}`)
          }
        >
          {session.runs.map(({ info }, i) => (
            <option key={`${i}`} value={String(i)}>
              {info.value?.folder ?? `run ${i}`}
            </option>
          ))}
        </select>
      </label>
    </p>
  );
}

function RunNumbers({ store }: { store: RunStore }) {
  const last = store.last.value;
  const info = store.info.value;
  if (last === undefined || info === undefined) return <p class="note">No step is done yet.</p>;
  const number = (value: number | string, digits = 4) => String(Number(Number(value).toPrecision(digits)));
  const entries: readonly (readonly [string, string])[] = [
    ["Step", `${last.step} of ${info.numSteps}`],
    ["Loss", number(last.loss)],
    ["Tokens/s", number(last.tokensPerSecond, 3)],
    ["Gradient norm", number(last.gradientNorm)],
    ["Learning rate", number(last.learningRate, 3)],
    ...(last.bubble === undefined
      ? []
      : [["Bubble", `${(100 * Number(last.bubble)).toFixed(1)} %`] as const]),
    ...(last.communicationMs === undefined
      ? []
      : [
          ["Transfers", `${number(last.communicationMs, 3)} ms`] as const,
          ["… not hidden", `${number(last.exposedCommunicationMs ?? 0, 3)} ms`] as const,
        ]),
    ["Memory", `${(Number(last.peakBytes) / 1e6).toFixed(0)} MB`],
    ["Elapsed", `${Number(last.elapsedSeconds).toFixed(0)} s`],
    ...(last.secondsLeft === undefined
      ? []
      : [["Left", `${Number(last.secondsLeft).toFixed(0)} s`] as const]),
    ...(last.mfu === undefined ? [] : [["MFU", `${(100 * Number(last.mfu)).toFixed(1)} %`] as const]),
    ...otherNumbers(last),
    ["Replicas", String(info.numReplicas)],
    ["Restarts", String(info.numRestarts)],
    ...(info.host === undefined ? [] : [["Host", `${info.host}, process ${info.process}`] as const]),
  ];
  return (
    <dl class="numbers">
      {entries.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

const SHOWN: ReadonlySet<string> = new Set([
  ...["step", "loss", "tokensPerSecond", "gradientNorm", "learningRate", "bubble", "peakBytes"],
  ...["elapsedSeconds", "secondsLeft", "mfu", "atMs"],
]);

/** The numbers that a newer run writes and this page does not know, by their names: `waitMs` is "wait ms". */
function otherNumbers(message: object): (readonly [string, string])[] {
  return Object.entries(message).flatMap(([name, value]) =>
    typeof value !== "number" || SHOWN.has(name)
      ? []
      : [
          [
            name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`),
            String(Number(value.toPrecision(4))),
          ] as const,
        ],
  );
}

function MeasuredAndPlanned({ session, store }: { session: Session; store: RunStore }) {
  const cameraState = useSignal<CameraState | undefined>(undefined);
  const planned = useSignal<LoadedStep | undefined>(undefined);
  const timeline = store.timeline.value;
  const info = store.info.value;
  useEffect(() => {
    if (timeline === undefined || info === undefined) return;
    session.client.ask("plan of the run", planOf(info, timeline), (answer) => {
      planned.value = "step" in answer ? loadStep(answer.step) : undefined;
    });
  }, [timeline, info]);
  if (timeline === undefined)
    return <p class="note">No step has been measured yet; one of twenty is, and the last.</p>;
  const steps = [
    { name: `measured, step ${timeline.step}`, step: loadTimeline(timeline.timeline) },
    ...(planned.value ? [{ name: "planned at the same costs", step: planned.value }] : []),
  ];
  const clock = Math.max(...steps.map(({ step }) => step.drawn.makespan));
  return (
    <>
      {steps.map(({ name, step }) => (
        <div key={name.split(",")[0]}>
          <h2>{name}, in ms</h2>
          <TimelineView
            name={name}
            step={step}
            theme={session.theme.value}
            height={Math.min(360, step.drawn.numRanks * 28 + 26)}
            cameraState={cameraState}
            clock={clock}
            marks={steps.map((other) => other.step.drawn.makespan)}
          />
        </div>
      ))}
      <CompareTable steps={steps} />
    </>
  );
}

function Notes({ store }: { store: RunStore }) {
  const notes = store.notes.value;
  if (notes.length === 0) return null;
  return (
    <>
      <h2>What happened</h2>
      <ul class="notes">
        {notes.toReversed().map(({ step, text }) => (
          <li key={`${step} ${text}`}>
            step {step}: {text}
          </li>
        ))}
      </ul>
    </>
  );
}
