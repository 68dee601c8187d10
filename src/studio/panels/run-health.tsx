/** Who takes part in a run: processes and hosts with their heartbeats, ranks with their memory and idle time. */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { agoInWords, isSilent, numAllRanks, processOfRank } from "../run/run-health.ts";
import type { RunStore } from "../run/run-store.ts";
import { loadTimeline } from "../session.ts";

const RANKS_MAX = 64;
const megabytes = (bytes: number | undefined) =>
  bytes === undefined ? "–" : `${(bytes / 1e6).toFixed(0)} MB`;

export function RunHealth({ store }: { store: RunStore }) {
  const info = store.info.value;
  if (info === undefined) return null;
  return (
    <>
      <Processes store={store} />
      <Ranks store={store} />
    </>
  );
}

/** The time, once a second while the run goes on. */
function useNowMs(isRunning: boolean): number {
  const now = useSignal(Date.now());
  useEffect(() => {
    if (!isRunning) return undefined;
    const timer = setInterval(() => {
      now.value = Date.now();
    }, 1000);
    return () => clearInterval(timer);
  }, [isRunning]);
  return now.value;
}

function Processes({ store }: { store: RunStore }) {
  const processes = store.processes.value;
  const hasEnded = store.connection.value === "ended";
  const now = useNowMs(!hasEnded);
  if (processes.length === 0) return null;
  const { lastStep } = store;
  const progress = lastStep.value;
  return (
    <div class="rank-table">
      <table class="processes">
        <caption>
          Processes{" "}
          <small>
            {progress && !hasEnded ? `the last step was done ${agoInWords(progress.atMs, now)}` : ""}
          </small>
        </caption>
        <thead>
          <tr>
            {["Process", "Host", "Process id", "Ranks", "Memory", "Last heartbeat"].map((name) => (
              <th scope="col" key={name}>
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {processes.map(({ message, atMs }) => (
            <tr key={message.process}>
              <th scope="row">{message.process}</th>
              <td>{message.host}</td>
              <td>{message.pid}</td>
              <td>
                {message.firstRank} to {message.firstRank + message.numRanks - 1}
              </td>
              <td>{megabytes(message.memoryBytes)}</td>
              <td class={!hasEnded && isSilent(atMs, now) ? "silent" : ""}>
                {hasEnded ? "ended" : agoInWords(atMs, now)}
                {!hasEnded && isSilent(atMs, now) && ": it may hang"}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Ranks({ store }: { store: RunStore }) {
  const info = store.info.value!;
  const { rankPeakBytes, timeline, processes } = store;
  const measured = timeline.value && loadTimeline(timeline.value.timeline).result;
  const step = rankPeakBytes.value;
  if (measured === undefined && step === undefined) return null;
  const share = (time: number | undefined) =>
    time === undefined || !measured?.makespan ? "–" : `${((100 * time) / measured.makespan).toFixed(1)} %`;
  return (
    <div class="rank-table">
      <table class="ranks">
        <caption>
          Ranks <small>shares of the measured step; memory is the most that tensors have taken</small>
        </caption>
        <thead>
          <tr>
            {["Rank", "Process", "Memory", "Work", "Data", "Link", "Host", "Imbalance", "Tail"].map(
              (name) => (
                <th scope="col" key={name}>
                  {name}
                </th>
              ),
            )}
          </tr>
        </thead>
        <tbody>
          {Array.from({ length: Math.min(RANKS_MAX, numAllRanks(info)) }, (_, rank) => {
            const causes = measured?.bubbleCauses[rank];
            const times = [measured?.work[rank], causes?.data, causes?.link, causes?.host];
            return (
              <tr key={rank}>
                <th scope="row">{rank}</th>
                <td>{processOfRank(processes.value, rank)?.message.process ?? "–"}</td>
                <td>{megabytes(step?.[rank])}</td>
                {[...times, causes?.imbalance, causes?.tail].map((time, i) => (
                  <td key={`${i}`}>{share(time)}</td>
                ))}
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}
