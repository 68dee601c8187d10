import { type AddressInfo, createServer } from "node:net";
import { expect, test } from "vitest";
import { runRanks } from "../../src/launch/threads.ts";

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

test("two ranks meet at a TCPStore and swap a tensor over Gloo", async () => {
  const data = { port: await freePort() };
  const received = await runRanks<number[]>(new URL("./exchange-rank.ts", import.meta.url), {
    numRanks: 2,
    data,
  });
  expect(received).toEqual([
    [2, 20],
    [1, 10],
  ]);
});

test("a rendezvous on a port that is taken is an error, not a crash", async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    const data = { port: (server.address() as AddressInfo).port };
    const run = runRanks(new URL("./exchange-rank.ts", import.meta.url), { numRanks: 1, data });
    await expect(run).rejects.toMatchObject({
      code: "LIBTORCH",
      message: expect.stringMatching(/address|bind|listen/i),
    });
  } finally {
    server.close();
  }
});
