// Requests to the API, at addresses relative to this file, which is page/<version>/api.js: the page works below any path. Errors are said in words that
// help whoever reads them.

import { SignedOut, renew, token } from "./session.js";

export const root = new URL("../..", import.meta.url);
export { SignedOut };

const UNREACHABLE = "The service could not be reached. Check your connection and try again.";
const TROUBLE = "Something went wrong on our side. Please try again in a moment.";

export class ApiError extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** What an answer that is an error means. */
export function failure(status, body, retryAfter = null) {
  const error = body?.error ?? {};
  if (status === 429) {
    const minutes = Math.ceil(Number(retryAfter) / 60);
    const wait = minutes > 1 ? `in ${minutes} minutes` : "in a minute";
    return new ApiError(status, error.code, `That was tried too often. Please try again ${wait}.`);
  }
  if (status === 413) return new ApiError(status, error.code, error.message || "That is larger than the service takes.");
  const known = error.message && (status < 500 || status === 502 || status === 503);
  return new ApiError(status, error.code ?? "", known ? error.message : TROUBLE);
}

export function unreachable() {
  return new ApiError(0, "unreachable", UNREACHABLE);
}

async function send(path, options, access) {
  const headers = { ...options.headers };
  if (options.json !== undefined) headers["content-type"] = "application/json";
  if (access) headers.authorization = `Bearer ${access}`;
  const body = options.json === undefined ? options.body : JSON.stringify(options.json);
  const address = new URL(path, root);
  for (const [name, value] of Object.entries(options.query ?? {})) {
    if (value !== null && value !== undefined) address.searchParams.set(name, value);
  }
  try {
    return await fetch(address, { method: options.method ?? "GET", headers, body, signal: options.signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw unreachable();
  }
}

/** The access token; that the network failed meanwhile is said as of any other request. */
async function access(refused = null) {
  try {
    return await (refused ? renew(refused) : token());
  } catch (error) {
    throw error instanceof SignedOut ? error : unreachable();
  }
}

/** An answer of the API, as it is: for what is no JSON. */
export async function raw(path, options = {}) {
  const first = options.open ? null : await access();
  let answer = await send(path, options, first);
  if (answer.status === 401 && first) answer = await send(path, options, await access(first));
  if (answer.status === 401 && first) throw new SignedOut();
  if (answer.ok) return answer;
  throw failure(answer.status, await answer.json().catch(() => null), answer.headers.get("retry-after"));
}

/** The JSON of an answer of the API; null of an empty one. `open` requests need no account. */
export async function api(path, options = {}) {
  const answer = await raw(path, options);
  if (answer.status === 204) return null;
  try {
    return await answer.json();
  } catch {
    throw failure(500, null);
  }
}
