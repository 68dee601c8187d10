/*
 * Which requests the studio's server answers. It shows what a run measures to its own user, and any page in the user's
 * browser can send requests to this host, so listening on loopback is not enough:
 *
 * - A page of another site can make requests, but not choose their Origin: one that is not ours is refused.
 * - A name of another site can be made to point to this host, and then its page is of our origin to the browser. Its
 *   requests still have that name as their Host: one that is not a name of this server is refused.
 * - Other hosts, and other users of this host where the server is told to listen to all, need the token that was
 *   printed where the server was started. It comes in the address once, and then in a cookie.
 */
import { timingSafeEqual } from "node:crypto";
import { isIP } from "node:net";

/** The parts of a request that decide. */
export interface GuardedRequest {
  readonly method: string;
  /** The path with the query. */
  readonly url: string;
  readonly headers: {
    readonly host?: string | undefined;
    readonly origin?: string | undefined;
    readonly cookie?: string | undefined;
  };
}

/** What becomes of a request. */
export type Decision =
  | { readonly kind: "answer"; readonly path: string }
  /** The token was in the address: it moves to a cookie, and the address loses it. */
  | { readonly kind: "signIn"; readonly cookie: string }
  | { readonly kind: "refuse"; readonly status: number; readonly reason: string };

export interface GuardOptions {
  /** The address that the server listens to. */
  readonly host: string;
  readonly port: number;
  /** Needed where the server listens to more than loopback. */
  readonly token?: string | undefined;
}

const COOKIE = "dualpipe-studio";
const LOOPBACK_NAMES = ["localhost", "127.0.0.1", "[::1]"];

/** Whether only programs of this host can reach the address. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}

/** Decides what becomes of a request. */
export function guard(request: GuardedRequest, { host, port, token }: GuardOptions): Decision {
  if (request.method !== "GET" && request.method !== "HEAD")
    return refuse(405, "only GET and HEAD are answered");
  const { host: given, origin, cookie } = request.headers;
  if (given === undefined || !namesOf(host, port).some((name) => name === given.toLowerCase())) {
    // With a token, a name that is made to point here has no way in, so hosts may be named in any way.
    if (token === undefined || given === undefined)
      return refuse(421, "the Host is not a name of this server");
  }
  if (origin !== undefined && origin !== `http://${given}`)
    return refuse(403, "requests of other pages are not answered");
  const url = pathOf(request.url);
  if (url === undefined) return refuse(400, "the address cannot be read");
  if (token === undefined) return { kind: "answer", path: url.pathname };
  const offered = url.searchParams.get("token");
  if (offered !== null && isSame(offered, token))
    return { kind: "signIn", cookie: `${COOKIE}=${token}; HttpOnly; SameSite=Strict; Path=/` };
  const held = /(?:^|;\s*)dualpipe-studio=([^;]*)/.exec(cookie ?? "")?.[1];
  if (held !== undefined && isSame(held, token)) return { kind: "answer", path: url.pathname };
  return refuse(401, "open the address that dualpipe studio printed, which has a token");
}

function refuse(status: number, reason: string): Decision {
  return { kind: "refuse", status, reason };
}

function pathOf(url: string): URL | undefined {
  return url.startsWith("/") ? (URL.parse?.(url, "http://studio") ?? parseUrl(url)) : undefined;
}

/** For Node before 22.1, which has no URL.parse. */
function parseUrl(url: string): URL | undefined {
  try {
    return new URL(url, "http://studio");
  } catch {
    return undefined;
  }
}

function namesOf(host: string, port: number): string[] {
  const own = isIP(host) === 6 ? `[${host}]` : host;
  const names = [...(isLoopback(host) ? LOOPBACK_NAMES : []), own];
  // Browsers leave out the port of http.
  return names.flatMap((name) => [`${name}:${port}`, ...(port === 80 ? [name] : [])]);
}

function isSame(offered: string, token: string): boolean {
  const [a, b] = [Buffer.from(offered), Buffer.from(token)];
  return a.length === b.length && timingSafeEqual(a, b);
}
