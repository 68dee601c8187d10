// The entry of the page: a worker that simulates, a session, and the components that show it.
import { render } from "preact";
import { App } from "./app.tsx";
import { Planner } from "./plan/planner.ts";
import { RunStore } from "./run/run-store.ts";
import { Session } from "./session.ts";
import { WorkerClient } from "./worker/worker-client.ts";

const makeWorker = () => new Worker(new URL("./worker/worker.ts", import.meta.url), { type: "module" });
// The server says in the page how many runs it follows; a static site has none.
const numRuns = Number(document.documentElement.dataset.runs ?? 0);
const runs = Array.from({ length: numRuns }, (_, i) => new RunStore(new EventSource(`run/${i}/events`)));
if (numRuns > 0 && window.location.hash === "") window.location.replace("#/run");
const root = document.getElementById("app")!;
// What was painted before the scripts came.
root.replaceChildren();
render(
  <App session={new Session(window, new WorkerClient(makeWorker), new Planner(makeWorker), runs)} />,
  root,
);
