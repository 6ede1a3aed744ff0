/** Who may ask: hosts (against DNS rebinding), origins (CORS, and pages that must not use somebody's server), keys. */
import { RequestError } from "./errors.ts";

/** Who may use a server. */
export interface GateOptions {
  /** Keys, one of which a request needs: `Authorization: Bearer KEY`, or `x-api-key: KEY`. Default: none is needed. */
  keys?: readonly string[];
  /**
   * Origins whose pages may use the server, `https://app.example` for instance; "*": all. Default: pages that it served
   * itself, and no others.
   */
  cors?: "*" | readonly string[];
  /**
   * Names by which the server is asked, beside `localhost` and addresses of numbers; "*": any. With another name a request
   * is refused, since a page could have made that name up to reach a server on its reader's machine (DNS rebinding).
   * Default: none; any where there are `keys`, which no such page has.
   */
  hosts?: "*" | readonly string[];
}

const METHODS = "GET, POST, OPTIONS";
/** Seconds for which a browser need not ask again. */
const MAX_AGE = "600";

/** Holds requests against the options. */
export class Gate {
  readonly #keys: readonly string[];
  readonly #cors: "*" | readonly string[];
  readonly #hosts: "*" | readonly string[];

  constructor({ keys = [], cors = [], hosts }: GateOptions) {
    this.#keys = keys;
    this.#cors = cors === "*" ? cors : cors.map((origin) => origin.replace(/\/$/, "").toLowerCase());
    const names = hosts ?? (keys.length > 0 ? "*" : []);
    this.#hosts = names === "*" ? names : names.map((name) => name.toLowerCase());
  }

  /** Refuses a request by a name that is not the server's, or from a page that may not use it. */
  requirePlace(request: Request): void {
    const { hostname, host } = new URL(request.url);
    const header = request.headers.get("host");
    for (const name of [hostname, ...(header === null ? [] : [nameOf(header)])]) {
      if (this.#isOwn(name)) continue;
      const words = `this server does not go by the name of ${name}: name it among its hosts`;
      throw new RequestError("permission_error", words, { code: "host_not_allowed" });
    }
    const origin = request.headers.get("origin");
    if (origin === null || this.#isAllowed(origin, header ?? host)) return;
    const words = `pages of ${origin} may not use this server: name it among its cors`;
    throw new RequestError("permission_error", words, { code: "origin_not_allowed" });
  }

  /** Refuses a request without a key, where one is needed. */
  requireKey({ headers }: Request): void {
    if (this.#keys.length === 0) return;
    const given = headers.get("x-api-key") ?? /^Bearer\s+(.*)$/i.exec(headers.get("authorization") ?? "")?.[1];
    // All are compared, each to its end: how long it takes tells nothing of them.
    const found = this.#keys.map((key) => isSame(key, given ?? "")).includes(true);
    if (given !== undefined && found) return;
    const words = "a key is needed: Authorization: Bearer KEY, or x-api-key: KEY";
    throw new RequestError("authentication_error", given === undefined ? words : "this key is none of the server's", {
      code: "invalid_api_key",
    });
  }

  /** What a browser is told about who may read an answer. */
  headers(request: Request): Record<string, string> {
    const origin = request.headers.get("origin");
    if (origin === null) return {};
    const isListed = this.#cors === "*" || this.#cors.includes(origin.toLowerCase());
    return isListed ? { "access-control-allow-origin": this.#cors === "*" ? "*" : origin, vary: "origin" } : {};
  }

  /** The answer to a browser that asks before it asks. */
  preflight(request: Request): Response {
    const asked = request.headers.get("access-control-request-headers");
    const headers = {
      ...this.headers(request),
      "access-control-allow-methods": METHODS,
      "access-control-allow-headers": asked ?? "*",
      "access-control-max-age": MAX_AGE,
    };
    return new Response(null, { status: 204, headers });
  }

  #isOwn(name: string): boolean {
    if (this.#hosts === "*" || isNumeric(name) || name === "localhost" || name.endsWith(".localhost")) return true;
    return this.#hosts.includes(name);
  }

  #isAllowed(origin: string, host: string): boolean {
    if (this.#cors === "*" || this.#cors.includes(origin.toLowerCase())) return true;
    try {
      return new URL(origin).host === host.toLowerCase();
    } catch {
      return false;
    }
  }
}

/** The name in a Host header, without its port. */
function nameOf(host: string): string {
  return host.toLowerCase().replace(/:\d+$/, "");
}

/** An address of numbers is no name that anybody could have made up. */
function isNumeric(name: string): boolean {
  return /^\d{1,3}(\.\d{1,3}){3}$/.test(name) || /^\[[\da-f:.]+\]$/i.test(name);
}

function isSame(a: string, b: string): boolean {
  const [left, right] = [new TextEncoder().encode(a), new TextEncoder().encode(b)];
  let difference = left.length ^ right.length;
  for (const [i, byte] of left.entries()) difference |= byte ^ (right[i] ?? 0);
  return difference === 0;
}
