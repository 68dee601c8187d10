// A run over several hosts: network namespaces with their own addresses and links.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { FaultRun, NUM_FAULTS } from "../faults/fault-run.ts";
import { childrenOf, until } from "../faults/processes.ts";
import { Lab, whyNoLab } from "./lab.ts";

const why = whyNoLab();
if (why !== undefined) console.warn(`no test over several hosts: ${why}`);

const faults = new FaultRun(20_261_125);

beforeAll(() => faults.trainUndisturbed());
afterAll(() => faults[Symbol.dispose]());

const startLab = (numHosts: number) => Lab.start({ numHosts, delayMs: 1, rate: "200mbit" });

/** Starts the launchers of all hosts, the last host's first. */
function launchOn(lab: Lab, numHosts: number, dir: string, options: readonly string[] = []) {
  const hosts = Array.from({ length: numHosts }, (_, host) => numHosts - 1 - host).map((host) =>
    faults.launch(
      dir,
      [
        ...["--nnodes", String(numHosts), "--node-rank", String(host), "--master-addr", lab.addressOf(0)],
        ...["--nproc-per-node", String(4 / numHosts), "--silence-timeout", "2", "--meet-timeout", "60"],
        ...options,
      ],
      { resume: false, wrapper: lab.on(host), env: { DUALPIPE_SECRET: "of this run" } },
    ),
  );
  return hosts.reverse();
}

describe.runIf(why === undefined)("at 1 ms of delay and 200 Mbit/s", () => {
  test.each([2, 4])(
    "%i hosts train like one, bit for bit",
    async (numHosts) => {
      await using lab = await startLab(numHosts);
      const dir = `hosts-${numHosts}`;
      for (const { closed, output } of launchOn(lab, numHosts, dir))
        expect(await closed, output()).toEqual([0, null]);
      await faults.expectAsUndisturbed(dir);
    },
    120_000,
  );

  test.each([2, 4])(
    "%i hosts continue after any link was cut in the middle of a step",
    async (numHosts) => {
      await using lab = await startLab(numHosts);
      const dir = `cut-${numHosts}`;
      const numCuts = Math.ceil(NUM_FAULTS / 2);
      const hosts = launchOn(lab, numHosts, dir, ["--max-restarts", String(numCuts)]);
      const [first] = hosts;
      for (let cut = 1; cut <= numCuts; cut++) {
        // A cut while the launchers wait for one another would end nothing.
        await until("host 0 has started", () => childrenOf(first!.child.pid!).length === 4 / numHosts);
        await faults.randomMoment(dir, () => hosts.map(({ output }) => output()).join("\n-- next host\n"));
        const host = faults.random.below(numHosts);
        await lab.cut(host);
        await first!.until(`restart ${cut} of`);
        await lab.repair(host);
      }
      for (const { closed, output } of hosts) expect(await closed, output()).toEqual([0, null]);
      const output = hosts.map((host) => host.output()).join("");
      expect(output).toMatch(
        /rank \d stopped while waiting for [\w ]+ of rank \d: .* disconnected: no heartbeat for 2 s/,
      );
      await faults.expectAsUndisturbed(dir);
      console.log(`cut links of ${numHosts} hosts: ${numCuts} faults injected and survived`);
    },
    600_000,
  );
});
