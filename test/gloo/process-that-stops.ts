// Process 1 of 2: joins the hub at the port of its first argument, as a process of the run that its second argument
// describes, and stops when told to connect.

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
  run: process.argv[3]!,
  rendezvousTimeoutMs: 60_000,
  heartbeatTimeoutMs: 200,
  isBody: isAnything,
  onMessage: () => process.kill(process.pid, "SIGSTOP"),
  onDisconnect: () => {},
});
