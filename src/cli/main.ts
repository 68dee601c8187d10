#!/usr/bin/env node
// At SIGUSR1, Node opens its debugger at a port of this host, unless the program listens to the signal. So this file
// imports nothing, whose loading would come first: it listens, and then loads the rest.
process.on("SIGUSR1", () => {});

const { runCli } = await import("./run.ts");
process.exitCode = await runCli(process.argv.slice(2));

export {};
