// The page as a static site, on a server that knows nothing of it.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { runDualpipe } from "../cli/run-dualpipe.ts";
import { inBrowser, paintedBlocks, StudioInBrowser, settled } from "./browser.ts";

const folder = mkdtempSync(join(tmpdir(), "dualpipe-export-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".css": "text/css",
};

inBrowser("an exported page draws schedules in any folder of any server", async () => {
  const site = join(folder, "site");
  const { status, stdout } = runDualpipe(["studio", "--export", site]);
  expect({ status, stdout }).toMatchObject({ status: 0, stdout: expect.stringContaining("wrote the page") });
  const server = createServer((request, response) => {
    const path = new URL(request.url!, "http://site").pathname.replace(/^\/a\/b\//, "");
    const file = join(site, path === "" ? "index.html" : path);
    if (!existsSync(file)) return void response.writeHead(404).end();
    response
      .writeHead(200, { "Content-Type": TYPES[extname(file)] ?? "image/svg+xml" })
      .end(readFileSync(file));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await using studio = await StudioInBrowser.start();
  const page = await studio.browser.newPage();
  const asked: string[] = [];
  page.on("request", (request) => asked.push(request.url()));
  await page.goto(`http://127.0.0.1:${port}/a/b/#/design?schedule=gpipe&ranks=2&micro-batches=3`);
  await page.locator(".surface").waitFor();
  await settled(page);
  expect(await paintedBlocks(page)).toHaveLength(2 * 2 * 3);
  expect(await page.getByRole("link").allInnerTexts()).toEqual([
    "Design",
    "Plan",
    "Compare",
    "Explain",
    "Edit",
  ]);
  expect(asked.every((url) => url.startsWith(`http://127.0.0.1:${port}/a/b/`))).toBe(true);
  server.close();
  server.closeAllConnections();
});

test("an export replaces an earlier one, and nothing else", () => {
  const site = join(folder, "twice");
  expect(runDualpipe(["studio", "--export", site]).status).toBe(0);
  expect(runDualpipe(["studio", "--export", site]).status).toBe(0);
  writeFileSync(join(folder, "mine.txt"), "mine");
  const refused = runDualpipe(["studio", "--export", folder]);
  expect(refused.status).toBe(1);
  expect(refused.stderr).toContain("has other files; name another");
  expect(readFileSync(join(folder, "mine.txt"), "utf8")).toBe("mine");
  expect(runDualpipe(["studio", folder, "--export", site]).status).toBe(2);
});
