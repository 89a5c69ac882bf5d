// Elements and what is said to the reader. Everything that comes from a file, a model or the API becomes text here: there
// is no way from a string to markup in this page.

const SVG = "http://www.w3.org/2000/svg";
const ICONS = new URL("icons.svg", import.meta.url).pathname;
const TOAST_MS = 6000;

export const byId = (id) => document.getElementById(id);

/** Make an element: attributes as they are, `on` for listeners, children as elements or texts. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) made.addEventListener(event, listener);
    } else if (value !== null && value !== undefined && value !== false) {
      made.setAttribute(name, value === true ? "" : String(value));
    }
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** One of the icons of icons.svg; it says nothing, so whatever holds it has a name of its own. */
export function icon(name) {
  const made = document.createElementNS(SVG, "svg");
  made.setAttribute("class", "icon");
  made.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `${ICONS}#${name}`);
  made.append(use);
  return made;
}

/** A quiet button that shows an icon and is read by its label. */
export function iconButton(name, label, click) {
  return element("button", { type: "button", class: "quiet", "aria-label": label, title: label, on: { click } }, icon(name));
}

/** Say something that happened, to eyes and ears, for a while. */
export function say(text) {
  const toast = element("p", { class: "toast" }, text);
  byId("toasts").append(toast);
  setTimeout(() => toast.remove(), TOAST_MS);
}

/** Say to ears what eyes see anyway. */
export function tell(text) {
  byId("told").textContent = text;
}

/** Ask before something that cannot be undone. Resolves to whether it was agreed to. */
export function confirm(title, text, yes) {
  const dialog = byId("confirm");
  byId("confirm-title").textContent = title;
  byId("confirm-text").textContent = text;
  byId("confirm-yes").textContent = yes;
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

/** Show some text where a list would be; an empty one takes it away. */
export function state(id, text, retry = null) {
  const place = byId(id);
  place.replaceChildren(text);
  if (retry) place.append(" ", element("button", { type: "button", class: "link", on: { click: retry } }, "Try again"));
}

export function size(bytes) {
  if (bytes < 1024) return `${bytes} bytes`;
  const kilo = bytes / 1024;
  return kilo < 1024 ? `${Math.round(kilo)} kB` : `${(kilo / 1024).toFixed(1)} MB`;
}

export function when(iso) {
  const date = new Date(iso);
  return Number.isNaN(date.getTime()) ? "" : date.toLocaleDateString(undefined, { day: "numeric", month: "short", year: "numeric" });
}
