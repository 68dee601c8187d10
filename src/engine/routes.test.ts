import { expect, test } from "vitest";
import { lower } from "../schedule/lower/lower.ts";
import { peerOf } from "../schedule/program/placement.ts";
import { buildProgram } from "../schedule/schedules/registry.ts";
import type { Route } from "../transport/process-group.ts";
import { routesOfHolders, routesOfStages } from "./routes.ts";

const textOf = ({ peer, kind, way }: Route): string => `${kind} ${way} ${peer}`;

test.each(["gpipe", "1f1b", "interleaved", "zbv", "dualpipe", "dualpipev"])(
  "%s sends and receives on the routes of its stages, and on no other",
  (schedule) => {
    const program = lower(buildProgram(schedule, { numRanks: 4, numMicroBatches: 8 }));
    program.ranks.forEach((actions, rank) => {
      const used = new Set<string>();
      for (const action of actions) {
        if (
          action.kind !== "SEND_F" &&
          action.kind !== "SEND_B" &&
          action.kind !== "RECV_F" &&
          action.kind !== "RECV_B"
        )
          continue;
        const kind = action.kind.endsWith("F") ? "activations" : "gradients";
        const way = action.kind.startsWith("SEND") ? "to" : "from";
        used.add(textOf({ peer: peerOf(program.placement, action), kind, way }));
      }
      const routes = routesOfStages(program.placement, rank).map(textOf);
      expect(routes.toSorted()).toEqual([...used].sort());
    });
  },
);

test("every holder has a route to and from each of the others, of both kinds", () => {
  const routes = [0, 1, 2].map((rank) => routesOfHolders({ rank, size: 3 }));
  routes.forEach((own, rank) => {
    expect(own).toHaveLength(8);
    for (const { peer, kind, way } of own)
      expect(routes[peer]).toContainEqual({ peer: rank, kind, way: way === "to" ? "from" : "to" });
  });
});
