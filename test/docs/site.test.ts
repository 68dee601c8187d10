import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ROOT } from "./markdown.ts";

test("npm run docs builds a site of guides and reference with a search, and finds no broken link", () => {
  const program = join(ROOT, "scripts", "docs.mjs");
  const { status, stdout, stderr } = spawnSync(process.execPath, [program], { cwd: ROOT, encoding: "utf8" });
  if (stderr.includes("installing npm packages of site/ failed")) {
    console.log(`the site is not tested: its tools cannot be installed: ${stderr}`);
    return;
  }
  expect(stdout + stderr).not.toContain("[warning]");
  expect(status, stderr).toBe(0);
  const site = join(ROOT, "build", "docs");
  const pages = readdirSync(site, { recursive: true, encoding: "utf8" });
  const guides = readdirSync(join(ROOT, "docs")).filter((name) => name.endsWith(".md"));
  for (const guide of guides) {
    const title = /^# (.*)$/m.exec(readFileSync(join(ROOT, "docs", guide), "utf8"))![1]!;
    const isThere = pages.some(
      (page) => page.startsWith("documents/") && readFileSync(join(site, page), "utf8").includes(title),
    );
    expect(isThere, guide).toBe(true);
  }
  expect(pages).toContain("classes/dualpipe.DualPipe.html");
  expect(pages).toContain("functions/dualpipe_schedule.buildProgram.html");
  expect(pages).toContain("assets/search.js");
}, 600_000);
