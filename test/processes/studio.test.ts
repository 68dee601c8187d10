// The page of a run that `dualpipe launch` starts: its guard, the health of its processes, a restart at the same port.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { formatConfig } from "../../src/trainer/config/config.ts";
import { until } from "../faults/processes.ts";
import { orderedWordsConfig } from "../trainer/ordered-words.ts";
import { startDualpipe } from "./start-launcher.ts";

const folder = mkdtempSync(join(tmpdir(), "dualpipe-launch-studio-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const FOUR_RANKS = ["pipeline={schedule: dualpipe, ranks: 4, microBatches: 8}"];

interface Event {
  readonly kind: string;
  readonly process: number;
  readonly pid: number;
  readonly firstRank: number;
  readonly step: number;
  readonly info: { readonly numRestarts: number };
  readonly peakBytes: readonly number[];
}

/** Follows the events of a run until its server goes. */
async function follow(address: string): Promise<Event[]> {
  const events: Event[] = [];
  const response = await fetch(`${address}run/0/events`);
  const read = async () => {
    let text = "";
    for await (const part of response.body!) {
      text += Buffer.from(part).toString();
      const ended = text.split("\n\n");
      text = ended.pop()!;
      for (const each of ended)
        if (each.startsWith("data: ")) events.push(JSON.parse(each.slice("data: ".length)) as Event);
    }
  };
  read().catch(() => {});
  return events;
}

const statusOf = (address: string, headers: Record<string, string>): Promise<number> =>
  new Promise((resolve, reject) => {
    request(address, { headers }, (response) => {
      response.resume();
      resolve(response.statusCode!);
    })
      .on("error", reject)
      .end();
  });

test("the page of two processes tells of both, is guarded, and is there again after a restart", async () => {
  const config = join(folder, "config.yaml");
  writeFileSync(config, formatConfig(orderedWordsConfig(folder, "run", FOUR_RANKS)));
  const set = ["training.steps=100000", "checkpoint.everySteps=20"].flatMap((text) => ["--set", text]);
  const launcher = startDualpipe([
    ...["launch", "--nproc-per-node", "2", "--max-restarts", "1", config, "--studio", ...set],
  ]);
  let stderr = "";
  launcher.child.stderr.on("data", (text: string) => {
    stderr += text;
  });
  const addresses = () => [...stderr.matchAll(/dualpipe studio: open (\S+)/g)].map(([, address]) => address!);
  try {
    const address = await until(
      "the address is printed",
      () => addresses()[0],
      () => stderr,
    );
    expect(new URL(address).hostname).toBe("127.0.0.1");
    expect(await (await fetch(address)).text()).toContain("<title>dualpipe studio</title>");
    expect(await statusOf(address, { host: "evil.example" })).toBe(421);
    expect(await statusOf(address, { origin: "https://evil.example" })).toBe(403);
    const events = await follow(address);
    const heard = (process: number) =>
      events.find((event) => event.kind === "process" && event.process === process);
    const other = await until(
      "process 1 is heard",
      () => heard(0) && heard(1),
      () => stderr,
    );
    expect(other.firstRank).toBe(2);
    expect(new Set([heard(0)!.pid, other.pid, launcher.child.pid]).size).toBe(3);
    const memory = await until("memory is told", () => events.find(({ kind }) => kind === "memory"));
    expect(memory.peakBytes.filter((bytes) => bytes > 0)).toHaveLength(4);
    await until("a checkpoint is written", () => events.find(({ kind }) => kind === "checkpoint"));

    process.kill(other.pid, "SIGKILL");
    await until("the failure is told", () => events.find(({ kind }) => kind === "failed"));
    const second = await until(
      "the page is served once more",
      () => addresses()[1],
      () => stderr,
    );
    const later = await follow(second);
    await until("the run goes on", () => later.some(({ kind, step }) => kind === "train" && step > 20));
    expect(later[0]!.info.numRestarts).toBe(1);
    // The steps before the restart are on the page, too.
    expect(later.find(({ kind }) => kind === "train")!.step).toBe(1);
  } finally {
    launcher.child.kill("SIGTERM");
    await launcher.ended;
  }
});
