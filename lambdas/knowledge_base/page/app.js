// Starts the page: which view is shown, who is signed in, and what becomes of an error that no view has an answer to.

import { SignedOut, api } from "./api.js";
import * as ask from "./ask.js";
import * as documents from "./documents.js";
import { byId, say } from "./dom.js";
import * as search from "./search.js";
import { current, forget, onChange } from "./session.js";
import * as uploads from "./uploads.js";
import { closeViewer } from "./viewer.js";
import * as welcome from "./welcome.js";

const views = { ask, search, documents };
const titles = { ask: "Ask", search: "Search", documents: "Documents" };
let shown = null;

function place() {
  const [, name, id] = location.hash.match(/^#\/(\w+)(?:\/([\w-]+))?$/) ?? [];
  return views[name] ? { name, id: id ?? null } : { name: "ask", id: null };
}

/** Show the view that the address names, or the way in. */
function show(event = null) {
  const session = current();
  byId("top").hidden = !session;
  byId("welcome").hidden = Boolean(session);
  const { name, id } = place();
  if (shown && shown !== name) views[shown].hide?.();
  for (const view of Object.keys(views)) byId(view).hidden = !session || view !== name;
  for (const link of document.querySelectorAll("nav a")) {
    const here = link.getAttribute("href") === `#/${name}`;
    here ? link.setAttribute("aria-current", "page") : link.removeAttribute("aria-current");
  }
  if (!session) {
    shown = null;
    document.title = "Sign in · Strata Knowledge";
    welcome.show();
    return;
  }
  byId("who").textContent = session.email;
  document.title = `${titles[name]} · Strata Knowledge`;
  if (event) {
    closeViewer();
    if (shown !== name) byId(`${name}-title`).focus();
  }
  shown = name;
  views[name].show(id);
}

/** Take away all that belongs to whoever was signed in. */
function leave(message = "") {
  closeViewer();
  uploads.stopAll();
  for (const view of Object.values(views)) view.clear();
  shown = null;
  show();
  if (message) welcome.tell(message);
}

async function signOut() {
  const session = current();
  forget();
  leave();
  try {
    await api("auth/logout", { method: "POST", json: { refresh_token: session?.refresh }, open: true });
  } catch {
    say("You are signed out here. The service could not be told; your session ends there by itself.");
  }
}

addEventListener("hashchange", show);
addEventListener("unhandledrejection", (event) => {
  if (event.reason instanceof SignedOut) {
    event.preventDefault();
    if (byId("welcome").hidden) {
      forget();
      leave("Your session has ended. Please sign in again.");
    }
  } else if (event.reason?.name === "AbortError") {
    event.preventDefault();
  } else {
    console.error(event.reason);
    say(event.reason?.status === undefined ? "Something went wrong on this page. Please load it again." : event.reason.message);
  }
});
for (const kind of ["online", "offline"]) {
  addEventListener(kind, () => {
    byId("offline").hidden = navigator.onLine;
  });
}
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address says which view is shown
  byId("main").focus();
});
byId("sign-out").addEventListener("click", signOut);
onChange(() => leave(current() ? "" : "You signed out in another tab."));
welcome.start(() => {
  show();
  byId(`${place().name}-title`).focus();
});
uploads.start(documents.add);
byId("offline").hidden = navigator.onLine;
show();
