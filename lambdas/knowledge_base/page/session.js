// Who is signed in, for all tabs. A refresh token works once and a second use ends its whole family, so only one tab at
// a time refreshes (a lock), and one that waited takes what the other got. That is handed on by IndexedDB, which every
// tab sees at once: another tab's localStorage may lag behind the lock.

const KEY = "strata.session";
const EARLY_MS = 30_000;
const root = new URL("../..", import.meta.url);
let memory = null; // where the browser keeps nothing for us
let listener = () => {};

export class SignedOut extends Error {}

export function current() {
  try {
    return JSON.parse(localStorage.getItem(KEY));
  } catch {
    return memory;
  }
}

export function keep(email, tokens) {
  const session = {
    email,
    access: tokens.access_token,
    refresh: tokens.refresh_token,
    until: Date.now() + tokens.expires_in * 1000,
  };
  memory = session;
  try {
    localStorage.setItem(KEY, JSON.stringify(session));
  } catch {
    // This tab has it.
  }
}

export function forget() {
  memory = null;
  globalThis.indexedDB?.deleteDatabase(KEY);
  try {
    localStorage.removeItem(KEY);
  } catch {
    // There was nothing.
  }
}

/** Told when another tab signs in, out, or in as someone else. */
export function onChange(changed) {
  listener = changed;
}

addEventListener("storage", (event) => {
  if (event.key !== KEY && event.key !== null) return;
  const before = event.oldValue ? JSON.parse(event.oldValue) : null;
  if (before?.email !== current()?.email) listener();
});

/** An access token that still works for a while. */
export async function token() {
  const session = current();
  if (!session) throw new SignedOut();
  return session.until - EARLY_MS > Date.now() ? session.access : renew(session.access);
}

/** A newer access token than one that was refused. */
export function renew(refused) {
  const exchange = async () => {
    const session = current();
    if (!session) throw new SignedOut();
    if (session.access !== refused) return session.access; // another tab was here
    const last = await exchanged().catch(() => null);
    if (last?.spent === session.refresh) {
      keep(last.email, last.tokens);
      return last.tokens.access_token;
    }
    const answer = await fetch(new URL("auth/refresh", root), {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ refresh_token: session.refresh }),
    });
    if (answer.ok) {
      const tokens = await answer.json();
      keep(session.email, tokens);
      await exchanged({ spent: session.refresh, email: session.email, tokens }).catch(() => null);
      return tokens.access_token;
    }
    if (answer.status >= 500 || answer.status === 429) throw new TypeError("the refresh was not answered");
    forget();
    throw new SignedOut();
  };
  return navigator.locks ? navigator.locks.request(KEY, exchange) : exchange();
}

/** The last exchange of a refresh token, by any tab; or, given one, keeps it as that. */
function exchanged(exchange) {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open(KEY, 1);
    opening.onerror = () => reject(opening.error);
    opening.onupgradeneeded = () => opening.result.createObjectStore("last");
    opening.onsuccess = () => {
      const work = opening.result.transaction("last", exchange ? "readwrite" : "readonly");
      const store = work.objectStore("last");
      const request = exchange ? store.put(exchange, KEY) : store.get(KEY);
      work.oncomplete = () => resolve(request.result);
      work.onabort = () => reject(work.error);
      opening.result.close(); // once the transaction is over
    };
  });
}
