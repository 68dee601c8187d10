import type { Placement } from "../schedule/program/placement.ts";
import type { Route } from "../transport/process-group.ts";

/** The channels between a rank's stages and their neighbours on other ranks, of every direction. */
export function routesOfStages({ rankOfStage }: Pick<Placement, "rankOfStage">, rank: number): Route[] {
  const routes = rankOfStage.flatMap((ranks) =>
    [...ranks].slice(1).flatMap((after, i) => {
      const before = ranks[i]!;
      if (before === after) return [];
      if (before === rank) return [to("activations", after), from("gradients", after)];
      return after === rank ? [from("activations", before), to("gradients", before)] : [];
    }),
  );
  const once = new Map(routes.map((route) => [`${route.way} ${route.peer} ${route.kind}`, route]));
  return [...once.values()];
}

/** The channels between all ranks of a group that hold the same parameters. */
export function routesOfHolders({ rank, size }: { readonly rank: number; readonly size: number }): Route[] {
  return Array.from({ length: size }, (_, peer) => peer)
    .filter((peer) => peer !== rank)
    .flatMap((peer) =>
      (["weight-gradients", "weights"] as const).flatMap((kind) => [to(kind, peer), from(kind, peer)]),
    );
}

function to(kind: Route["kind"], peer: number): Route {
  return { peer, kind, way: "to" };
}

function from(kind: Route["kind"], peer: number): Route {
  return { peer, kind, way: "from" };
}
