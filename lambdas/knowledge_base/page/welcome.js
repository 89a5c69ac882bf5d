// Sign in and register.

import { ApiError, api } from "./api.js";
import { byId } from "./dom.js";
import { keep } from "./session.js";

const LEAST = 10;
const MOST = 128;
let registering = false;

export function show() {
  byId("email").value ||= "";
}

/** A message above the form: what is wrong, or what happened. */
export function tell(text, good = false) {
  const alert = byId("sign-in-alert");
  alert.classList.toggle("good", good);
  alert.textContent = text;
  alert.hidden = !text;
}

function mode(register) {
  registering = register;
  byId("welcome-title").textContent = register ? "Create an account" : "Ask your documents";
  byId("sign-in-submit").textContent = register ? "Create account" : "Sign in";
  byId("switch-text").textContent = register ? "Have an account?" : "New here?";
  byId("switch-mode").textContent = register ? "Sign in" : "Create an account";
  byId("password").autocomplete = register ? "new-password" : "current-password";
  byId("password-hint").hidden = !register;
  tell("");
  wrong(null, "");
}

/** Mark the one field that is wrong, and say why; none takes the marks away. */
function wrong(field, text) {
  for (const name of ["email", "password"]) byId(name).toggleAttribute("aria-invalid", false);
  if (!field) return false;
  byId(field).setAttribute("aria-invalid", "true");
  tell(text);
  byId(field).focus();
  return true;
}

function refused(email, password) {
  if (!byId("email").validity.valid) return wrong("email", "Please write a whole email address, such as ada@example.org.");
  if (!password) return wrong("password", "Please write your password.");
  if (!registering) return wrong(null, "");
  if (password.length < LEAST || password.length > MOST) return wrong("password", `A password has ${LEAST} to ${MOST} characters; this one has ${password.length}.`);
  if (password.toLowerCase() === email.toLowerCase()) return wrong("password", "The password must not be your address.");
  return wrong(null, "");
}

async function submit(entered) {
  const email = byId("email").value.trim();
  const password = byId("password").value;
  if (refused(email, password)) return;
  tell("");
  const button = byId("sign-in-submit");
  button.disabled = true;
  try {
    if (registering) await api("auth/register", { method: "POST", json: { email, password }, open: true });
    keep(email, await api("auth/login", { method: "POST", json: { email, password }, open: true }));
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    tell(error.status === 401 ? mismatch() : error.message);
    return;
  } finally {
    button.disabled = false;
  }
  byId("sign-in").reset();
  mode(false);
  entered();
}

/** A taken address is answered as a new one is, and then its password does not fit: both readings are said. */
function mismatch() {
  return registering
    ? "You could not be signed in with this password. If you have an account already, sign in with its password."
    : "Email and password do not match.";
}

export function start(entered) {
  byId("sign-in").addEventListener("submit", (event) => {
    event.preventDefault();
    submit(entered);
  });
  byId("switch-mode").addEventListener("click", () => mode(!registering));
  byId("show-password").addEventListener("click", (event) => {
    const field = byId("password");
    const visible = field.type === "password";
    field.type = visible ? "text" : "password";
    event.currentTarget.setAttribute("aria-pressed", String(visible));
  });
}
