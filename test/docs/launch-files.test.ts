// Checks the files for launchers as far as that is possible without the launchers.
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parseAllDocuments, parseDocument } from "yaml";
import { ADDRESS_VARIABLE, SECRET_VARIABLE } from "../../src/launch/process-placement.ts";
import { runDualpipe } from "../cli/run-dualpipe.ts";
import { ROOT } from "./markdown.ts";

const FOLDER = join(ROOT, "examples", "launch");
const scripts = readdirSync(FOLDER).filter((name) => !name.endsWith(".yaml"));
/** A text on one line. */
const helpOf = (command: string) => runDualpipe([command, "--help"]).stdout.replaceAll(/\s+/g, " ");

test.each(scripts)("%s is a script that a shell understands, with options that train has", (name) => {
  const path = join(FOLDER, name);
  const text = readFileSync(path, "utf8");
  const shell = text.startsWith("#!/bin/bash") ? "bash" : "sh";
  expect(spawnSync(shell, ["-n", path], { encoding: "utf8" })).toMatchObject({ status: 0, stderr: "" });
  const [, ours] = /node_modules\/\.bin\/dualpipe\} train(.*)$/m.exec(text)!;
  const help = helpOf("train");
  for (const [option] of ours!.matchAll(/--[a-z-]+/g)) expect(help).toContain(option);
});

interface Container {
  readonly command: readonly string[];
  readonly env: readonly { readonly name: string }[];
}

test("a PyTorchJob starts the launcher with options that it and train have", () => {
  const document = parseDocument(readFileSync(join(FOLDER, "pytorch-job.yaml"), "utf8"));
  expect(document.errors).toEqual([]);
  const { Master, Worker } = document.toJS().spec.pytorchReplicaSpecs;
  expect(Worker).toEqual(Master);
  const [container] = Master.template.spec.containers as [Container & { name: string }];
  expect(container.name).toBe("pytorch");
  const [program, command, ...args] = container.command;
  expect([program, command]).toEqual(["node_modules/.bin/dualpipe", "launch"]);
  const help = helpOf("launch") + helpOf("train");
  for (const option of args.filter((arg) => arg.startsWith("--"))) expect(help).toContain(option);
  for (const { name } of container.env) expect([ADDRESS_VARIABLE, SECRET_VARIABLE]).toContain(name);
});

test("the pods of kubernetes.yaml give the launcher variables that it reads", () => {
  const documents = parseAllDocuments(readFileSync(join(FOLDER, "kubernetes.yaml"), "utf8"));
  const objects = documents.map((document) => {
    expect(document.errors).toEqual([]);
    return document.toJS() as { kind: string; spec: { template?: { spec: { containers: Container[] } } } };
  });
  expect(objects.map(({ kind }) => kind)).toEqual([
    "Service",
    "NetworkPolicy",
    "PersistentVolumeClaim",
    "Job",
  ]);
  const [container] = objects.at(-1)!.spec.template!.spec.containers;
  const help = helpOf("launch");
  for (const { name } of container!.env)
    expect([ADDRESS_VARIABLE, SECRET_VARIABLE].includes(name) || help.includes(`env: ${name})`), name).toBe(
      true,
    );
  expect(container!.command.slice(0, 2)).toEqual(["node_modules/.bin/dualpipe", "launch"]);
});
