// Files on their way: looked at before anything is sent, small ones to the API, larger ones straight to the bucket.

import { SignedOut, api, failure, root, unreachable } from "./api.js";
import { byId, element, icon, iconButton, say, size } from "./dom.js";
import { renew, token } from "./session.js";

export const MOST_DIRECT = 4 * 1024 * 1024;
export const MOST = 100 * 1024 * 1024;
const LOOKED_AT = 1024; // where %PDF- has to be
const AT_ONCE = 2;
const DONE_MS = 1500;

let waiting = [];
let running = new Set();
let arrived = () => {};

/** Why a file cannot be a document; nothing when it may be one. */
export async function refusal(file) {
  if (!file.size) return "The file is empty.";
  if (file.size > MOST) return `The file has ${size(file.size)}; at most ${size(MOST)} are taken.`;
  const head = new Uint8Array(await file.slice(0, LOOKED_AT).arrayBuffer());
  return new TextDecoder("latin1").decode(head).includes("%PDF-") ? "" : "This is not a PDF, whatever its name says.";
}

class Upload {
  constructor(file) {
    this.file = file;
    this.bar = element("progress", { max: 100, value: 0, "aria-label": `Upload of ${file.name}` });
    this.note = element("span", {}, "Waiting");
    this.actions = element("span", { class: "actions" });
    const head = element("div", {}, element("span", { class: "name" }, file.name), element("div", { class: "meta" }, element("span", {}, size(file.size)), this.note));
    this.row = element("li", { class: "row upload" }, icon("documents"), head, this.actions, this.bar);
    this.why = element("p", { class: "why" });
    this.offer("close", "Cancel the upload of", () => this.cancel());
    byId("uploads").append(this.row);
    byId("uploads").hidden = false;
  }

  offer(...actions) {
    const buttons = [];
    for (let at = 0; at < actions.length; at += 3) buttons.push(iconButton(actions[at], `${actions[at + 1]} ${this.file.name}`, actions[at + 2]));
    const focused = this.actions.contains(document.activeElement);
    this.actions.replaceChildren(...buttons);
    if (focused) buttons[0]?.focus();
  }

  async run() {
    try {
      const refused = await refusal(this.file);
      if (this.cancelled) return;
      if (refused) return this.fail(refused, false);
      this.progress(0);
      const id = this.file.size > MOST_DIRECT ? await this.toBucket() : await this.direct();
      if (!this.cancelled) this.done(id);
    } catch (error) {
      if (error instanceof SignedOut) throw error;
      if (!this.cancelled) this.fail(error.status === undefined ? "The file could not be read." : error.message, true);
    }
  }

  progress(share) {
    const percent = Math.floor(share * 100);
    this.bar.value = percent;
    this.note.textContent = percent < 100 ? `Uploading, ${percent} %` : "Handing over…";
  }

  async direct(retried = false) {
    const access = await token().catch((error) => Promise.reject(error instanceof SignedOut ? error : unreachable()));
    const form = new FormData();
    form.append("file", this.file, this.file.name);
    const request = await this.post(new URL("documents", root), form, access);
    if (request.status === 401 && !retried) {
      await renew(access);
      return this.direct(true);
    }
    const body = parsed(request.responseText);
    if (request.status !== 202 || !body) throw failure(request.status, body, request.getResponseHeader("retry-after"));
    return body.id;
  }

  async toBucket() {
    const { document_id: id, url, fields } = await api("documents/uploads", { method: "POST", json: { filename: this.file.name, bytes: this.file.size } });
    this.announced = id;
    if (this.cancelled) return this.withdraw();
    const form = new FormData();
    for (const [name, value] of Object.entries(fields)) form.append(name, value);
    form.append("file", this.file, this.file.name); // the bucket ignores what comes after it
    const request = await this.post(url, form);
    if (request.status >= 300) throw failure(500, null);
    this.announced = null;
    return id;
  }

  /** Take back a document whose file does not come: else it is waited for, and listed, for a day. */
  withdraw() {
    const id = this.announced;
    this.announced = null;
    if (id) api(`documents/${id}`, { method: "DELETE" }).catch(() => {});
  }

  /** Send a form, with its progress: what fetch cannot say. */
  post(address, form, access = null) {
    const request = new XMLHttpRequest();
    this.request = request;
    return new Promise((resolve, reject) => {
      request.open("POST", address);
      if (access) request.setRequestHeader("authorization", `Bearer ${access}`);
      request.upload.addEventListener("progress", (event) => event.lengthComputable && this.progress(event.loaded / event.total));
      request.addEventListener("load", () => resolve(request));
      request.addEventListener("error", () => reject(unreachable()));
      request.addEventListener("abort", () => reject(unreachable()));
      request.send(form);
    });
  }

  done(id) {
    this.bar.value = 100;
    this.note.textContent = "Uploaded";
    this.offer();
    arrived({ id, filename: this.file.name, bytes: this.file.size, status: "queued", progress: 0, pages: 0, error: null, created_at: new Date().toISOString() });
    setTimeout(() => this.remove(), DONE_MS);
  }

  fail(text, again) {
    this.withdraw();
    this.note.textContent = "Not uploaded";
    this.bar.remove();
    this.why.textContent = text;
    this.row.append(this.why);
    const dismiss = ["close", "Dismiss the upload of", () => this.remove()];
    this.offer(...(again ? ["retry", "Try again to upload", () => this.again()] : []), ...dismiss);
    say(`${this.file.name}: ${text}`);
  }

  again() {
    this.why.remove();
    this.row.append(this.bar);
    this.note.textContent = "Waiting";
    this.offer("close", "Cancel the upload of", () => this.cancel());
    waiting.push(this);
    next();
  }

  cancel() {
    this.cancelled = true;
    this.request?.abort();
    this.withdraw();
    waiting = waiting.filter((upload) => upload !== this);
    this.remove();
  }

  remove() {
    this.row.remove();
    byId("uploads").hidden = !byId("uploads").childElementCount;
  }
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function next() {
  while (running.size < AT_ONCE && waiting.length) {
    const upload = waiting.shift();
    running.add(upload);
    upload.run().finally(() => {
      running.delete(upload);
      next();
    });
  }
}

function add(files) {
  if (!files.length) return;
  location.hash = "#/documents";
  waiting.push(...[...files].map((file) => new Upload(file)));
  next();
}

export function stopAll() {
  for (const upload of [...running, ...waiting]) upload.cancel();
  byId("uploads").replaceChildren();
  byId("uploads").hidden = true;
}

/** Take files from the field and from anywhere on the page; tell of each that has arrived. */
export function start(tell) {
  arrived = tell;
  byId("files").addEventListener("change", (event) => {
    add(event.target.files);
    event.target.value = "";
  });
  const veil = byId("drop-veil");
  const takes = (event) => !byId("top").hidden && event.dataTransfer?.types.includes("Files");
  addEventListener("dragenter", (event) => {
    if (takes(event)) veil.hidden = false;
  });
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) veil.hidden = true;
  });
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    event.preventDefault(); // else the browser leaves the page for the file
    veil.hidden = true;
    if (takes(event)) add(event.dataTransfer.files);
  });
  addEventListener("beforeunload", (event) => {
    if (running.size || waiting.length) event.preventDefault();
  });
}
