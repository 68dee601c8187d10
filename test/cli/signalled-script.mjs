// Process 2 listens to SIGUSR1, process 1 no more, and process 0 never. At SIGTERM each says whether its debugger is
// open.
import { url } from "node:inspector";

const listener = () => console.log("told");
if (process.env.RANK !== "0") process.on("SIGUSR1", listener);
if (process.env.RANK === "1") process.off("SIGUSR1", listener);
process.on("SIGTERM", () => {
  console.log(`debugger: ${url()}`);
  process.exit(0);
});
setInterval(() => {}, 1000);
console.log("ready");
