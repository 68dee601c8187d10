// Process 1 starts a program that holds its output for an hour, and ends as the test says. After a restart, or where
// the test says so, all end well.
import { fork, spawn } from "node:child_process";

const [how, marker, role] = process.argv.slice(2);
const isFirst = process.env.RANK === "1" && process.env.TORCHELASTIC_RESTART_COUNT === "0";
if (role === "forked") process.send("forked");
else if (how === "fork")
  fork(process.argv[1], [how, marker, "forked"]).once("message", () => process.exit(0));
else if (isFirst) {
  const program = ["-e", "setTimeout(() => {}, 3_600_000)", marker];
  const child = spawn(process.execPath, program, { stdio: "inherit", detached: how === "daemon" });
  child.once("spawn", () => {
    console.log("started");
    if (how !== "stay") process.exit(how === "succeed" ? 0 : 5);
  });
} else if (how === "restart" || how === "succeed") process.exit(0);
else setInterval(() => {}, 1000);
