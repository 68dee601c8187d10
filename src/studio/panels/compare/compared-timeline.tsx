/** One of the steps that are compared: its lanes with outlines, how it differs in words, and a table of that. */
import { type Signal, useSignal } from "@preact/signals";
import { nameOf, timeText } from "../../chart/block-text.ts";
import { COMPARED_MAX, DIFFERENCES, Differences, describeDifference } from "../../chart/differences.ts";
import type { DrawnStep } from "../../chart/drawn-step.ts";
import type { LoadedStep, Session } from "../../session.ts";
import { type CameraState, TimelineView } from "../timeline-view.tsx";
import type { ComparedStep } from "./compare-table.tsx";

const ROW_HEIGHT = 22;
const AXIS_HEIGHT = 26;
const HEIGHT_MAX = 320;
const ROWS_MAX = 200;

const COUNT_TEXTS = { order: "in another place", duration: "shorter or longer", start: "at another time" };

interface ComparedTimelineProps {
  readonly session: Session;
  readonly compared: readonly ComparedStep[];
  readonly at: number;
  readonly clock: number;
  readonly cameraState: Signal<CameraState | undefined>;
}

export function ComparedTimeline({ session, compared, at, clock, cameraState }: ComparedTimelineProps) {
  const first = compared[0]!;
  const { name, step } = compared[at]!;
  const { mark } = session.view.value;
  const own = at === 0 ? undefined : differencesBetween(step, first.step);
  // With two steps, the counterparts in the first are outlined too; with more, they would be of different steps.
  const ofOther = at === 0 && compared.length === 2 ? differencesBetween(compared[1]!.step, step) : undefined;
  const outlined = mark === "none" ? undefined : (own?.marks(mark) ?? ofOther?.marksOfOther(mark));
  return (
    <div>
      <h2>
        {name}: {step.drawn.numRanks} ranks, {step.drawn.numMicroBatches} micro-batches
      </h2>
      <TimelineView
        name={`Timeline ${at + 1}, ${name}`}
        step={step}
        theme={session.theme.value}
        height={Math.min(HEIGHT_MAX, step.drawn.numRanks * ROW_HEIGHT + AXIS_HEIGHT)}
        cameraState={cameraState}
        clock={clock}
        marks={compared.map((other) => other.step.drawn.makespan)}
        outlined={outlined}
        describe={(block) => {
          const difference = own?.of(block);
          return difference && describeDifference(difference, first.name);
        }}
      />
      {at > 0 && own === undefined && <p class="note">{whyNone(step, first.step)}</p>}
      {own && <DifferenceTable differences={own} name={first.name} />}
    </div>
  );
}

const known = new WeakMap<DrawnStep, WeakMap<DrawnStep, Differences | undefined>>();

/** The differences of a step, which are found once; undefined where its blocks cannot be compared. */
function differencesBetween({ drawn: step, result }: LoadedStep, first: LoadedStep): Differences | undefined {
  if (result.numStages !== first.result.numStages) return undefined;
  const other = first.drawn;
  const ofStep = known.get(step) ?? new WeakMap<DrawnStep, Differences | undefined>();
  known.set(step, ofStep);
  if (!ofStep.has(other)) ofStep.set(other, Differences.between(step, other));
  return ofStep.get(other);
}

function whyNone({ result }: LoadedStep, { result: first }: LoadedStep): string {
  return result.numStages === first.numStages
    ? `More than ${COMPARED_MAX} blocks; they are not compared one by one.`
    : `The model is cut into ${result.numStages} stages instead of ${first.numStages}, so no block is the same one.`;
}

function DifferenceTable({ differences, name }: { differences: Differences; name: string }) {
  const isShown = useSignal(false);
  const { all, numBlocks } = differences;
  const counts = DIFFERENCES.map((kind) => `${differences.count(kind)} ${COUNT_TEXTS[kind]}`);
  return (
    <>
      <p class="note">
        Of {numBlocks} blocks, compared with {name}: {counts.join(", ")}.{" "}
        <button
          type="button"
          class="quiet"
          aria-pressed={isShown.value}
          onClick={() => {
            isShown.value = !isShown.value;
          }}
        >
          {isShown.value ? "Hide" : "Show"} the differences
        </button>
      </p>
      <div class={isShown.value ? "rank-table" : "hidden"}>
        <table>
          <caption>
            Blocks that differ from {name}
            {all.length > ROWS_MAX ? `; the first ${ROWS_MAX} of ${all.length}` : ""}
          </caption>
          <thead>
            <tr>
              {["Block", "Rank", "Start", "Duration", "Start there", "Duration there", "Differs in"].map(
                (title) => (
                  <th scope="col" key={title}>
                    {title}
                  </th>
                ),
              )}
            </tr>
          </thead>
          <tbody>
            {all.slice(0, ROWS_MAX).map(({ block, other, kinds }) => (
              <tr key={`${nameOf(block)}`}>
                <th scope="row">{nameOf(block)}</th>
                <td>{block.rank}</td>
                <td>{timeText(block.start)}</td>
                <td>{timeText(block.end - block.start)}</td>
                <td>{other ? timeText(other.start) : "none"}</td>
                <td>{other ? timeText(other.end - other.start) : "none"}</td>
                <td>{[...kinds].join(", ")}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}
