/** Plays a step, and says which of its parts the ranks are in and what each is for. */
import { useComputed, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { nameOf, timeText } from "../chart/block-text.ts";
import { type DrawnStep, firstEndingAfter } from "../chart/drawn-step.ts";
import { StepParts } from "../explain/parts.ts";
import type { LoadedStep, Session } from "../session.ts";
import { Legend } from "./legend.tsx";
import { ControlsPanel } from "./settings/controls-panel.tsx";
import { type CameraState, TimelineView } from "./timeline-view.tsx";

/** A step is played in this time. */
const PLAY_SECONDS = 40;
const ROW_HEIGHT = 28;
const AXIS_HEIGHT = 26;
const HEIGHT_MAX = 420;

export function ExplainPage({ session }: { session: Session }) {
  const step = session.step.value;
  return (
    <div class="page plain">
      <ControlsPanel session={session} />
      <section class="stage" aria-label="Explanation" aria-busy={session.isBusy.value}>
        {session.problem.value && (
          <p class="problem" role="alert">
            {session.problem.value}
          </p>
        )}
        {step && <Player session={session} step={step} />}
      </section>
    </div>
  );
}

function Player({ session, step }: { session: Session; step: LoadedStep }) {
  const { drawn } = step;
  const cameraState = useSignal<CameraState | undefined>(undefined);
  const isPlaying = useSignal(false);
  const parts = useComputed(() => new StepParts(session.step.value!.drawn));
  const time = Math.min(session.view.value.time, drawn.makespan);
  const goTo = (to: number) =>
    session.navigate(
      { ...session.view.value, time: Number(Math.max(0, Math.min(drawn.makespan, to)).toPrecision(6)) },
      "time",
    );
  usePlaying(isPlaying.value, (seconds) => {
    const next = session.view.value.time + (seconds * drawn.makespan) / PLAY_SECONDS;
    goTo(next);
    if (next >= drawn.makespan) isPlaying.value = false;
  });
  const toggle = () => {
    if (!isPlaying.value && time >= drawn.makespan) goTo(0);
    isPlaying.value = !isPlaying.value;
  };
  const onKey = (key: string) => {
    if (key === " ") toggle();
    else if (key === "ArrowRight" || key === "ArrowLeft") goTo(nextChange(drawn, time, key === "ArrowRight"));
    else return false;
    return true;
  };
  return (
    <>
      <h2>{step.result.title}, played</h2>
      <TimelineView
        name={`${step.result.title}, played: space plays, the arrow keys go from change to change`}
        step={step}
        theme={session.theme.value}
        height={Math.min(HEIGHT_MAX, drawn.numRanks * ROW_HEIGHT + AXIS_HEIGHT)}
        cameraState={cameraState}
        marks={[time]}
        onKey={onKey}
      />
      <div class="player">
        <button type="button" onClick={toggle}>
          {isPlaying.value ? "Pause" : "Play"}
        </button>
        <button type="button" aria-label="Back" onClick={() => goTo(nextChange(drawn, time, false))}>
          ◂
        </button>
        <button type="button" aria-label="Forward" onClick={() => goTo(nextChange(drawn, time, true))}>
          ▸
        </button>
        <input
          type="range"
          aria-label="Time"
          min={0}
          max={drawn.makespan}
          step="any"
          value={time}
          onInput={({ currentTarget }) => goTo(Number(currentTarget.value))}
        />
        <output>
          {timeText(time)} of {timeText(drawn.makespan)}
        </output>
      </div>
      <PartsList drawn={drawn} parts={parts.value} time={time} />
      <Legend hasBothDirections={drawn.rows.hasBothDirections} />
    </>
  );
}

/** What each rank does at a time, sorted by the part that it is in. */
function PartsList({ drawn, parts, time }: { drawn: DrawnStep; parts: StepParts; time: number }) {
  const ranks = ranksByPart(drawn, parts, time);
  return (
    <ol class="parts" aria-label="Parts of the step">
      {parts.parts.map(({ name, purpose }, part) => (
        <li
          key={name}
          class={ranks[part]!.length > 0 ? "current" : ""}
          aria-current={ranks[part]!.length > 0 ? "step" : undefined}
        >
          <strong>{name}</strong> {purpose}
          {ranks[part]!.length > 0 && <span class="now">{ranks[part]!.join(", ")}</span>}
        </li>
      ))}
    </ol>
  );
}

function ranksByPart(drawn: DrawnStep, parts: StepParts, time: number): string[][] {
  const ranks: string[][] = parts.parts.map(() => []);
  for (const [rank, track] of drawn.timeline.ranks.entries()) {
    const index = Math.min(firstEndingAfter(track.endsMs, time), track.length - 1);
    if (index < 0 || track.endsMs[index]! <= time) continue;
    const block = drawn.blockAt(rank, time);
    const doing = block === undefined ? "waits" : nameOf(block);
    ranks[parts.partOf(rank, index)]!.push(`rank ${rank} ${doing}`);
  }
  return ranks;
}

/** The nearest time after or before at which a rank starts a computation. */
function nextChange(drawn: DrawnStep, time: number, isForward: boolean): number {
  let nearest = isForward ? drawn.makespan : 0;
  const slack = drawn.makespan * 1e-5;
  for (const { startsMs } of drawn.timeline.ranks) {
    for (const start of startsMs) {
      if (isForward && start > time + slack) nearest = Math.min(nearest, start);
      if (!isForward && start < time - slack) nearest = Math.max(nearest, start);
    }
  }
  return nearest;
}

/** Calls with the seconds since the last frame, while playing. */
function usePlaying(isPlaying: boolean, advance: (seconds: number) => void): void {
  useEffect(() => {
    if (!isPlaying) return;
    let last = performance.now();
    let frame = requestAnimationFrame(function tick(now) {
      advance((now - last) / 1000);
      last = now;
      frame = requestAnimationFrame(tick);
    });
    return () => cancelAnimationFrame(frame);
  }, [isPlaying]);
}
