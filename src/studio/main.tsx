// The entry of the page: a worker that simulates, a session, and the components that show it.
import { render } from "preact";
import { App } from "./app.tsx";
import { Session } from "./session.ts";
import { WorkerClient } from "./worker/worker-client.ts";

const worker = new Worker(new URL("./worker/worker.ts", import.meta.url), { type: "module" });
render(<App session={new Session(window, new WorkerClient(worker))} />, document.getElementById("app")!);
