// Process 1 of 2: joins the hub at the port given as its only argument, and stops when told to connect.

import { HubMember } from "../../src/launch/hub/hub-member.ts";
import { isAnything } from "../../src/launch/message-shapes.ts";
import { publicSecret } from "../../src/launch/process-placement.ts";

const address = "127.0.0.1";
const port = Number(process.argv[2]);
await HubMember.join({
  locate: async () => ({ address, port, secret: publicSecret(port) }),
  noun: "process",
  member: 1,
  numMembers: 2,
  run: "a run of 2 ranks in 2 processes",
  rendezvousTimeoutMs: 60_000,
  heartbeatTimeoutMs: 200,
  isBody: isAnything,
  onMessage: () => process.kill(process.pid, "SIGSTOP"),
  onDisconnect: () => {},
});
