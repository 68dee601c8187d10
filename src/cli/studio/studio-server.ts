import { randomBytes } from "node:crypto";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { describeSystemError } from "../../errors/system-error.ts";
import { type PageFile, readPageFiles } from "./page-files.ts";
import { guard, isLoopback } from "./request-guard.ts";
import type { RunEvents } from "./run-events.ts";
import { StudioError } from "./studio-error.ts";

export interface StudioServerOptions {
  /** The address to listen to; the others of this host cannot be reached by other hosts only if it is loopback. */
  readonly host: string;
  /** 0 for any that is free. */
  readonly port: number;
  /** What happens in each run that the page shows. */
  readonly runs?: readonly RunEvents[] | undefined;
}

/** A server that listens. */
export interface StudioServer {
  /** The address for a browser, with the token where one is needed. */
  readonly address: string;
  /** Ends all connections. */
  close(): void;
}

const EVENTS_PATH = /^\/run\/(\d)\/events$/;

const SAFETY_HEADERS = {
  "Content-Security-Policy":
    "default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
  "Cross-Origin-Resource-Policy": "same-origin",
};

/** Serves the page. @throws StudioError */
export async function startStudioServer({
  host,
  port,
  runs = [],
}: StudioServerOptions): Promise<StudioServer> {
  const files = readPageFiles({ numRuns: runs.length });
  const token = isLoopback(host) ? undefined : randomBytes(24).toString("hex");
  const server = createServer((request, response) => {
    const { port } = server.address() as AddressInfo;
    const { method = "", url = "", headers } = request;
    const decision = guard({ method, url, headers }, { host, port, token });
    for (const [name, value] of Object.entries(SAFETY_HEADERS)) response.setHeader(name, value);
    switch (decision.kind) {
      case "refuse":
        answerText(response, decision.status, decision.reason);
        break;
      case "signIn":
        response.writeHead(303, { "Set-Cookie": decision.cookie, Location: "/" }).end();
        break;
      case "answer": {
        const file = files.get(decision.path);
        const run = runs[Number(EVENTS_PATH.exec(decision.path)?.[1])];
        if (run !== undefined) run.route(request, response);
        else if (file !== undefined) answerFile(response, file, method === "HEAD");
        else answerText(response, 404, "there is no such page");
        break;
      }
      default:
        decision satisfies never;
    }
  });
  await listen(server, host, port);
  const { port: taken } = server.address() as AddressInfo;
  const name = host.includes(":") ? `[${host}]` : host;
  return {
    address: `http://${name}:${taken}/${token === undefined ? "" : `?token=${token}`}`,
    close: () => {
      for (const run of runs) run.close();
      server.close();
      server.closeIdleConnections();
    },
  };
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const reason = describeSystemError(error);
      reject(
        new StudioError(
          "STUDIO_ADDRESS",
          `studio: it must be able to listen to --host and --port; ${host}:${port} cannot be: ${reason}; ` +
            "choose another, or --port 0 for any that is free",
          { cause: error },
        ),
      );
    });
    server.listen(port, host, resolve);
  });
}

function answerFile(response: ServerResponse, { type, body, isHashed }: PageFile, isHead: boolean): void {
  response.writeHead(200, {
    "Content-Type": type,
    "Content-Length": body.length,
    "Cache-Control": isHashed ? "public, max-age=31536000, immutable" : "no-cache",
  });
  response.end(isHead ? undefined : body);
}

function answerText(response: ServerResponse, status: number, text: string): void {
  response
    .writeHead(status, { "Content-Type": "text/plain; charset=utf-8" })
    .end(`dualpipe studio: ${text}\n`);
}
