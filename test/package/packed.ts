import { execFileSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { extract } from "tar";

export const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** A project into which the packed package is installed. */
export interface Project {
  readonly folder: string;
  readonly tarball: string;
  /** The installed package. */
  readonly packageFolder: string;
}

/**
 * Packs the checkout as `npm publish` would, and installs it into an empty project. Its dependencies are links to those
 * of the checkout, so that no network is needed. It also has tsx, with which Node 20 runs TypeScript. The caller
 * removes the folder.
 */
export async function installPacked(): Promise<Project> {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "dualpipe-project-")));
  // Without the script that builds: other tests are using dist/.
  const args = ["pack", "--ignore-scripts", "--json", "--pack-destination", folder];
  execFileSync("npm", args, { cwd: ROOT, stdio: ["ignore", "ignore", "pipe"] });
  const tarball = join(folder, readdirSync(folder).find((name) => name.endsWith(".tgz"))!);
  const packageFolder = join(folder, "node_modules", "dualpipe");
  mkdirSync(packageFolder, { recursive: true });
  await extract({ file: tarball, cwd: packageFolder, strip: 1 });
  const { dependencies } = JSON.parse(readFileSync(join(packageFolder, "package.json"), "utf8")) as {
    dependencies: Record<string, string>;
  };
  for (const name of [...Object.keys(dependencies), "tsx"]) {
    const link = join(folder, "node_modules", name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(realpathSync(join(ROOT, "node_modules", name)), link);
  }
  const manifest = { name: "project", version: "1.0.0", type: "commonjs", dependencies: { dualpipe: "*" } };
  writeFileSync(join(folder, "package.json"), JSON.stringify(manifest));
  return { folder, tarball, packageFolder };
}
