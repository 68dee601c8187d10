/*
 * Changes the order of a program by hand: an action is dragged to another place of its rank, or moved by keys. Every
 * change makes a program of its own, which the address holds, so the back button undoes it. The verifier answers at
 * once. What it finds is marked at the actions, and the ranks of a deadlock are joined by lines.
 */
import { useSignal } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";
import { formatAction, type Problem, type Program, parseProgramCsv } from "../../schedule/index.ts";
import { computationsOf } from "../files/export-step.ts";
import type { LoadedStep, Session } from "../session.ts";
import { FilesPanel } from "./files-panel.tsx";
import { type CameraState, TimelineView } from "./timeline-view.tsx";

/** More actions than a page can have as elements that can be dragged. */
const ACTIONS_MAX = 3_000;

export function EditPage({ session }: { session: Session }) {
  const cameraState = useSignal<CameraState | undefined>(undefined);
  const step = session.step.value;
  const program = programOf(session, step);
  const problem = session.problem.value;
  return (
    <div class="page plain">
      <div class="controls">
        <p class="note">
          Drag an action within its rank, or press Shift and an arrow key on it. The back button of the
          browser undoes a change; CSV saves the program for dualpipe train.
        </p>
        <FilesPanel session={session} step={step} />
      </div>
      <section class="stage" aria-label="Program" aria-busy={session.isBusy.value}>
        {problem ? (
          <pre class="problem" role="alert">
            {problem}
          </pre>
        ) : (
          <p class="sound" role="status">
            Sound: every action stands once and in order, and no ranks wait for each other.
          </p>
        )}
        {program && <ActionLists session={session} program={program} problems={session.problems.value} />}
        {step && !problem && (
          <TimelineView
            name="Timeline of the program"
            step={step}
            theme={session.theme.value}
            height={Math.min(420, step.drawn.numRanks * 26 + 26)}
            cameraState={cameraState}
          />
        )}
      </section>
    </div>
  );
}

/** The program to change: that of the view, or of the step that a named schedule gives. */
function programOf(session: Session, step: LoadedStep | undefined): Program | undefined {
  const { program, schedule } = session.settings.value;
  if (program === undefined) return step && computationsOf(step);
  try {
    return parseProgramCsv(program, schedule);
  } catch {
    // The worker says what is wrong with the text.
    return undefined;
  }
}

interface Position {
  readonly rank: number;
  readonly index: number;
}

interface ActionListsProps {
  readonly session: Session;
  readonly program: Program;
  readonly problems: readonly Problem[];
}

function ActionLists({ session, program, problems }: ActionListsProps) {
  const box = useRef<HTMLDivElement>(null);
  const dragged = useSignal<Position | undefined>(undefined);
  const focused = useRef<Position>(undefined);
  const names = program.ranks.map((actions) => Array.from(actions, formatAction));
  useLayoutEffect(() => {
    const at = focused.current;
    if (at) chipAt(box.current!, at)?.focus();
    focused.current = undefined;
  });
  if (names.reduce((sum, list) => sum + list.length, 0) > ACTIONS_MAX)
    return <p class="note">A program of more than {ACTIONS_MAX} actions is changed as a file.</p>;
  const move = ({ rank, index }: Position, to: number) => {
    if (to < 0 || to >= names[rank]!.length || to === index) return;
    const list = names[rank]!.toSpliced(index, 1).toSpliced(to, 0, names[rank]![index]!);
    const text = names
      .with(rank, list)
      .map((row) => row.join(","))
      .join("\n");
    const schedule = program.schedule.replace(/( changed)?$/, " changed");
    const settings = { ...session.settings.value, schedule, program: text };
    session.navigate({ ...session.view.value, settings }, `move ${text}`);
    focused.current = { rank, index: to };
  };
  const marked = new Set(problems.flatMap((each) => (each.cycle ?? [each]).map(keyOf)));
  return (
    <div ref={box} class="action-lists">
      {names.map((list, rank) => (
        <div class="action-list" key={`${rank}`}>
          <span>rank {rank}</span>
          {list.map((name, index) => (
            <button
              type="button"
              key={name}
              class={`action kind-${kindOf(name)} ${marked.has(`${rank} ${index}`) ? "wrong" : ""}`}
              data-at={`${rank} ${index}`}
              aria-label={`${shortName(name)}, action ${index} of rank ${rank}`}
              draggable
              onDragStart={() => {
                dragged.value = { rank, index };
              }}
              onDragOver={(event) => {
                if (dragged.value?.rank === rank) event.preventDefault();
              }}
              onDrop={(event) => {
                event.preventDefault();
                if (dragged.value?.rank === rank) move(dragged.value, index);
              }}
              onKeyDown={(event) => {
                const offset = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
                if (offset === undefined) return;
                event.preventDefault();
                if (event.shiftKey) move({ rank, index }, index + offset);
                else chipAt(box.current!, { rank, index: index + offset })?.focus();
              }}
            >
              {shortName(name)}
            </button>
          ))}
        </div>
      ))}
      <Cycle box={box} cycle={problems[0]?.cycle ?? []} />
    </div>
  );
}

const keyOf = ({ rank, actionIndex }: { rank: number; actionIndex: number }) => `${rank} ${actionIndex}`;
const kindOf = (name: string) => (name.startsWith("(") ? "pair" : /[FIWB]/.exec(name)?.[0]);
/** A pair as `1F3+0B0`. */
const shortName = (name: string) => name.replace("OVERLAP_F_B", "").replace(/[()]/g, "").replace(";", "+");
const chipAt = (box: HTMLElement, { rank, index }: Position) =>
  box.querySelector<HTMLElement>(`[data-at="${rank} ${index}"]`);

/** Lines that join the actions of a deadlock: each waits for the next. */
function Cycle({
  box,
  cycle,
}: {
  box: { current: HTMLDivElement | null };
  cycle: NonNullable<Problem["cycle"]>;
}) {
  const line = useRef<SVGPolylineElement>(null);
  useLayoutEffect(() => {
    const chips = cycle.map(({ rank, actionIndex }) => chipAt(box.current!, { rank, index: actionIndex }));
    const { left, top } = box.current!.getBoundingClientRect();
    const points = [...chips, chips[0]].flatMap((chip) => {
      if (!chip) return [];
      const { x, y, width, height } = chip.getBoundingClientRect();
      return [`${x + width / 2 - left},${y + height / 2 - top}`];
    });
    line.current?.setAttribute("points", points.join(" "));
  });
  return (
    <svg class="cycle" aria-hidden="true">
      <polyline ref={line} />
    </svg>
  );
}
