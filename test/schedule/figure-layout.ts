import type { Action, Computation, Timeline, TimelineEvent } from "../../src/schedule/index.ts";

type CellLocation = Pick<Computation, "stage" | "microBatch">;

const activation = ({ stage, microBatch }: CellLocation) => `F${stage},${microBatch}`;
const gradient = ({ stage, microBatch }: CellLocation) => `B${stage},${microBatch}`;

function valuesOf(action: Action): { needs: string[]; gives: string[] } {
  switch (action.kind) {
    case "F":
      return { needs: [activation({ ...action, stage: action.stage - 1 })], gives: [activation(action)] };
    case "I":
    case "B":
      return { needs: [gradient({ ...action, stage: action.stage + 1 })], gives: [gradient(action)] };
    case "OVERLAP_F_B": {
      const forward = valuesOf(action.forward);
      const backward = valuesOf(action.backward);
      return {
        needs: [...forward.needs, ...backward.needs],
        gives: [...forward.gives, ...backward.gives],
      };
    }
    case "W":
    case "SEND_F":
    case "RECV_F":
    case "SEND_B":
    case "RECV_B":
      return { needs: [], gives: [] };
    default:
      return action satisfies never;
  }
}

/**
 * Lays computations out as the published figures do. There a full backward of the cool-down stands at the end
 * of the three units of a pair, with nothing in the place of the forward; only a rank's last one, and those of
 * the warm-up, take two units.
 */
export function figureLayout(timeline: Timeline): TimelineEvent[][] {
  const endOfValue = new Map<string, number>();
  const endOfRank = timeline.ranks.map(() => 0);
  const layout = timeline.ranks.map((): TimelineEvent[] => []);
  const lonelyBackwards = timeline.ranks.map((track) => {
    const kinds = Array.from(track.actions, (action) => action.kind);
    const indices = kinds.flatMap((kind, index) => (kind === "B" ? [index] : []));
    return new Set(indices.slice(0, -1).filter((index) => index > kinds.indexOf("OVERLAP_F_B")));
  });
  const events = timeline.ranks.flatMap((track, rank) =>
    Array.from(track, (event, index) => ({ rank, index, event })),
  );
  // Every computation starts after those that it needs, so those come first in this order.
  events.sort((a, b) => a.event.startMs - b.event.startMs);
  for (const { rank, index, event } of events) {
    const { needs, gives } = valuesOf(event.action);
    const lead = lonelyBackwards[rank]!.has(index) ? 1 : 0;
    const ready = needs.map((value) => endOfValue.get(value) ?? 0);
    const startMs = Math.max(endOfRank[rank]!, ...ready) + lead;
    const endMs = startMs + event.endMs - event.startMs;
    for (const value of gives) endOfValue.set(value, endMs);
    endOfRank[rank] = endMs;
    layout[rank]!.push({ action: event.action, startMs, endMs });
  }
  return layout;
}
