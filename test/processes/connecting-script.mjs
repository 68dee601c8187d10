// Tells a test that it runs, and ends when and how the test says; its end closes the connection.
import { connect } from "node:net";

const socket = connect(Number(process.argv[2]), "127.0.0.1");
const { RANK, WORLD_SIZE, LOCAL_RANK, TORCHELASTIC_RESTART_COUNT } = process.env;
socket.write(`${RANK} of ${WORLD_SIZE}, here ${LOCAL_RANK}, start ${TORCHELASTIC_RESTART_COUNT}\n`);
console.log(`hello from ${RANK}`);
for await (const word of socket.setEncoding("utf8")) {
  if (word === "fail") process.exit(7);
  if (word === "die") process.kill(process.pid, "SIGKILL");
  if (word === "end") process.exit(0);
}
