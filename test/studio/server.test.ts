// Attempts to reach what the studio's server must not give.
import { request } from "node:http";
import { connect } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { guard, isLoopback } from "../../src/cli/studio/request-guard.ts";
import { type StudioServer, startStudioServer } from "../../src/cli/studio/studio-server.ts";

let server: StudioServer;
let port: number;
beforeAll(async () => {
  server = await startStudioServer({ host: "127.0.0.1", port: 0 });
  port = Number(new URL(server.address).port);
});
afterAll(() => server.close());

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

function ask(path: string, headers: Record<string, string> = {}, method = "GET", at = port): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: "127.0.0.1", port: at, path, method, headers }, (response) => {
      let body = "";
      response.on("data", (data) => {
        body += data;
      });
      response.on("end", () => resolve({ status: response.statusCode!, body, headers: response.headers }));
    });
    asked.on("error", reject);
    asked.end();
  });
}

test("the page is served, and may load nothing from elsewhere", async () => {
  const { status, body, headers } = await ask("/");
  expect(status).toBe(200);
  expect(body).toContain("<title>dualpipe studio</title>");
  expect(body).not.toMatch(/(src|href)="(https?:)?\/\//);
  expect(headers["content-security-policy"]).toContain("default-src 'self'");
  for (const [, path] of body.matchAll(/(?:src|href)="\.(\/[^"]+)"/g))
    expect(await ask(path!)).toMatchObject({ status: 200, headers: { "x-content-type-options": "nosniff" } });
});

test.each([
  "/../package.json",
  "/%2e%2e/package.json",
  "/..%2fpackage.json",
  "/assets/../../cli/main.js",
  "/assets/%2e%2e/%2e%2e/%2e%2e/package.json",
  "//etc/passwd",
  "/etc/passwd",
  "/index.html%00.js",
  "/assets",
  "/assets/",
  "\\..\\package.json",
])("no file outside the page is served: %s", async (path) => {
  const { status, body } = await ask(path);
  expect(status).toBeGreaterThanOrEqual(400);
  expect(body).not.toMatch(/"name": "dualpipe"|root:|createServer/);
});

test("a request that is no HTTP does not end the server", async () => {
  await new Promise<void>((resolve) => {
    const socket = connect(port, "127.0.0.1", () => socket.end("GET / nonsense\r\nHost\r\n\r\n"));
    socket.on("close", () => resolve());
    socket.on("error", () => {});
    socket.resume();
  });
  expect((await ask("/")).status).toBe(200);
});

test("another Host, such as a name that was made to point here, and another Origin are refused", async () => {
  expect((await ask("/", { host: `evil.example:${port}` })).status).toBe(421);
  expect((await ask("/", { host: `localhost:${port + 1}` })).status).toBe(421);
  expect((await ask("/", { host: `localhost:${port}` })).status).toBe(200);
  expect((await ask("/", { origin: "https://evil.example" })).status).toBe(403);
  expect((await ask("/", { origin: "null" })).status).toBe(403);
  expect((await ask("/", { origin: `http://127.0.0.1:${port}` })).status).toBe(200);
  expect((await ask("/", {}, "POST")).status).toBe(405);
});

test("told to listen elsewhere, it wants the token that it printed", async () => {
  const open = await startStudioServer({ host: "0.0.0.0", port: 0 });
  try {
    const { port: at, searchParams } = new URL(open.address);
    const token = searchParams.get("token")!;
    const from = (path: string, headers = {}) =>
      ask(path, { host: `host-a:${at}`, ...headers }, "GET", Number(at));
    expect((await from("/")).status).toBe(401);
    expect((await from(`/?token=${"0".repeat(token.length)}`)).status).toBe(401);
    expect((await from("/?token=")).status).toBe(401);
    const signedIn = await from(`/?token=${token}`);
    expect(signedIn).toMatchObject({ status: 303, headers: { location: "/" } });
    const cookie = String(signedIn.headers["set-cookie"]);
    expect(cookie).toMatch(/HttpOnly; SameSite=Strict/);
    expect((await from("/", { cookie: cookie.split(";")[0]! })).status).toBe(200);
    expect((await from("/", { cookie: "dualpipe-studio=1" })).status).toBe(401);
    expect((await from("/", { cookie: cookie.split(";")[0]!, origin: "http://evil.example" })).status).toBe(
      403,
    );
  } finally {
    open.close();
  }
});

test.each([
  ["127.0.0.1", true],
  ["127.8.9.1", true],
  ["::1", true],
  ["localhost", true],
  ["0.0.0.0", false],
  ["::", false],
  ["192.168.1.7", false],
  ["127.0.0.1.evil.example", false],
])("%s is loopback: %j", (host, expected) => expect(isLoopback(host)).toBe(expected));

test("on loopback with IPv6, the Host is in brackets", () => {
  const headers = { host: "[::1]:4870" };
  const decision = guard({ method: "GET", url: "/", headers }, { host: "::1", port: 4870 });
  expect(decision).toEqual({ kind: "answer", path: "/" });
});

test("a port that is taken is an error that says what to do", async () => {
  await expect(startStudioServer({ host: "127.0.0.1", port })).rejects.toMatchObject({
    code: "STUDIO_ADDRESS",
    problem: expect.stringContaining("choose another, or --port 0"),
  });
});
