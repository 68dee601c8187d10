/** Two schedules weighed against each other by their best runs. */
import { schedules } from "../../../schedule/index.ts";
import { settingsOfRun } from "../../plan/planned-settings.ts";
import { type Contender, contenderOf, gigabytes, percent, seconds, verdictOf } from "../../plan/weigh.ts";
import type { Session } from "../../session.ts";
import type { PlanResult } from "../../worker/plan-devices.ts";
import { sizesOfRun } from "./run-text.ts";

const ROWS: readonly (readonly [name: string, meaning: string, show: (contender: Contender) => string])[] = [
  ["Run", "the fastest of the schedule that fits", ({ run }) => sizesOfRun(run)],
  ["Step", "with the all-reduce", ({ run }) => seconds(run.stepSeconds)],
  ["Bubble", "of the pipeline", ({ run }) => percent(run.bubbleRatio)],
  ["All-reduce", "after the pipeline", ({ run }) => seconds(run.allReduceSeconds)],
  [
    "Memory",
    "of the fullest rank",
    ({ run, fits }) => `${gigabytes(run.peakBytes)}${fits ? "" : ", does not fit"}`,
  ],
  ["… parameters", "with gradients and the optimizer's state", ({ run }) => gigabytes(run.parameterBytes)],
  [
    "… second copies",
    "the part of that which holding parameters twice costs",
    (contender) => (contender.numCopies > 1 ? gigabytes(contender.secondCopyBytes) : "none"),
  ],
  ["… activations", "kept for the backward", ({ run }) => gigabytes(run.peakBytes - run.parameterBytes)],
  ["Copies", "of each parameter in a pipeline", ({ numCopies }) => String(numCopies)],
];

export function Answer({ session, result }: { session: Session; result: PlanResult }) {
  const { between } = session.view.value.plan;
  const { candidates, request, lost } = result;
  const contenders = between.map((name) =>
    schedules.some((schedule) => schedule.name === name)
      ? contenderOf(name, candidates, request.device.memoryBytes)
      : undefined,
  );
  const [first, second] = contenders;
  const missing = contenders.indexOf(undefined);
  const reason = lost.find(({ schedule }) => schedule === between[missing])?.reason;
  return (
    <section class="answer" aria-label="Two schedules">
      <p>
        <ScheduleSelect session={session} at={0} /> or <ScheduleSelect session={session} at={1} />?
      </p>
      {first && second ? (
        <>
          {verdictOf(first, second, request.device.pairShare ?? 1).map((sentence) => (
            <p key={sentence} class="verdict">
              {sentence}
            </p>
          ))}
          <details class="what-if">
            <summary>The numbers</summary>
            <ContenderTable first={first} second={second} />
          </details>
          <CompareButton session={session} result={result} contenders={[first, second]} />
        </>
      ) : (
        <p class="verdict">
          {between[missing]} has no run of these sizes{reason === undefined ? "" : `: ${reason}`}.
        </p>
      )}
    </section>
  );
}

function ScheduleSelect({ session, at }: { session: Session; at: 0 | 1 }) {
  const { between } = session.view.value.plan;
  return (
    <select
      aria-label={at === 0 ? "First schedule" : "Second schedule"}
      value={between[at]}
      onChange={({ currentTarget }) => {
        const changed = between.with(at, currentTarget.value) as [string, string];
        session.changePlan({ between: changed }, `between ${changed.join()}`);
      }}
    >
      {schedules.map(({ name, title }) => (
        <option key={name} value={name}>
          {title}
        </option>
      ))}
    </select>
  );
}

function ContenderTable({ first, second }: { first: Contender; second: Contender }) {
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">Number</th>
          <th scope="col">{first.title}</th>
          <th scope="col">{second.title}</th>
        </tr>
      </thead>
      <tbody>
        {ROWS.map(([name, meaning, show]) => (
          <tr key={name}>
            <th scope="row">
              {name} <small>{meaning}</small>
            </th>
            <td>{show(first)}</td>
            <td>{show(second)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

interface CompareButtonProps {
  readonly session: Session;
  readonly result: PlanResult;
  readonly contenders: readonly [Contender, Contender];
}

function CompareButton({ session, result, contenders }: CompareButtonProps) {
  const compare = () => {
    const [settings, other] = contenders.map(({ run }) => settingsOfRun(result.request, run));
    session.navigate(
      { ...session.view.value, page: "compare", settings: settings!, others: [other!] },
      `compare ${contenders.map(({ schedule }) => schedule).join()}`,
    );
  };
  return (
    <button type="button" onClick={compare}>
      Both timelines on one clock
    </button>
  );
}
