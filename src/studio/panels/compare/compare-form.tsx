/** What is compared, and which of the differing blocks are outlined. */
import { schedules } from "../../../schedule/index.ts";
import { nameOfTrace } from "../../files/trace-store.ts";
import type { Session } from "../../session.ts";
import { isSchedule, withScheduleForModel } from "../../view/controls.ts";
import { MARKED, type View } from "../../view/view.ts";

const MARK_TEXTS: Readonly<Record<View["mark"], string>> = {
  order: "in another place of the order",
  duration: "shorter or longer",
  start: "at another time",
  none: "none",
};

export function CompareForm({ session }: { session: Session }) {
  const view = session.view.value;
  const add = () => {
    const used = [view.settings, ...view.others].map(({ schedule }) => schedule);
    const name = schedules.find((schedule) => !used.includes(schedule.name))?.name ?? "dualpipe";
    const settings = withScheduleForModel(view.settings, name);
    session.navigate({ ...view, others: [...view.others, settings] }, `add ${view.others.length}`);
  };
  return (
    <form class="controls" aria-label="Steps to compare" onSubmit={(event) => event.preventDefault()}>
      <label class="choice">
        <input
          type="checkbox"
          checked={!view.omitsOwn}
          onChange={({ currentTarget }) =>
            session.navigate({ ...view, omitsOwn: !currentTarget.checked }, "own step")
          }
        />
        the step of the Design page <small>{view.settings.schedule}</small>
      </label>
      <Others session={session} />
      <button type="button" onClick={add}>
        Add a schedule
      </button>
      <Measured session={session} />
      <div class="field wide">
        <label for="mark">
          Outlined blocks{" "}
          <small>that differ from the first step; n and p go to the next and previous one</small>
        </label>
        <select
          id="mark"
          value={view.mark}
          onChange={({ currentTarget }) => {
            const mark = MARKED.find((each) => each === currentTarget.value) ?? "none";
            session.navigate({ ...view, mark }, `mark ${mark}`);
          }}
        >
          {MARKED.map((mark) => (
            <option key={mark} value={mark}>
              {MARK_TEXTS[mark]}
            </option>
          ))}
        </select>
      </div>
    </form>
  );
}

function Others({ session }: { session: Session }) {
  const view = session.view.value;
  const choose = (at: number, name: string) => {
    const settings = withScheduleForModel(view.settings, name);
    session.navigate({ ...view, others: view.others.with(at, settings) }, `compare ${at} ${name}`);
  };
  const remove = (at: number) =>
    session.navigate({ ...view, others: view.others.toSpliced(at, 1) }, `remove ${at} ${view.others.length}`);
  const edit = (at: number) => {
    const others = view.others.with(at, view.settings);
    session.navigate({ ...view, page: "design", settings: view.others[at]!, others }, `edit ${at}`);
  };
  return view.others.map((settings, i) => (
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
      <button type="button" onClick={() => edit(i)}>
        Change it
      </button>{" "}
      <button type="button" onClick={() => remove(i)}>
        Remove
      </button>
    </div>
  ));
}

/** The measured steps that are compared, and the runs whose steps can be. */
function Measured({ session }: { session: Session }) {
  const view = session.view.value;
  const { traces } = view;
  const nameOf = (id: string) =>
    id.startsWith("run:") ? (session.runs[Number(id.slice(4))]?.info.value?.folder ?? id) : nameOfTrace(id);
  const change = (changed: readonly string[]) =>
    session.navigate({ ...view, traces: changed }, `traces ${changed.join()}`);
  return (
    <>
      <ul class="chips">
        {traces.map((id, i) => (
          <li key={id}>
            measured: {nameOf(id)}
            <button
              type="button"
              aria-label={`Remove: ${nameOf(id)}`}
              onClick={() => change(traces.toSpliced(i, 1))}
            >
              ×
            </button>
          </li>
        ))}
      </ul>
      {session.runs
        .map((_, i) => `run:${i}`)
        .filter((id) => !traces.includes(id))
        .map((id) => (
          <button type="button" key={id} onClick={() => change([...traces, id])}>
            Add the newest step of {nameOf(id)}
          </button>
        ))}
    </>
  );
}
