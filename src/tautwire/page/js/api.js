// The two HTTP APIs: the control API through the page's session, and the Web API with the token of a person.

const BASE = new URL(".", document.baseURI); // …/_page/

export class ApiError extends Error {
  /** `code` is the wire's own word, `hint` says what to do. */
  constructor(code, hint = "", status = 0, details = undefined) {
    super(hint ? `${code}: ${hint}` : code);
    this.code = code;
    this.hint = hint;
    this.status = status;
    this.details = details;
  }
}

async function send(url, options) {
  let response;
  try {
    response = await fetch(url, options);
  } catch {
    throw new ApiError("unreachable", "the server does not answer");
  }
  let body = null;
  try {
    body = await response.json();
  } catch {
    // not JSON: the status has to say it
  }
  return { response, body };
}

function refuse({ response, body }) {
  const error = body?.error;
  if (response.ok) return body;
  throw new ApiError(error?.code ?? `http_${response.status}`, error?.message ?? "", response.status);
}

/** Open a session with the key of a one-time link. */
export const openSession = async (key) =>
  refuse(await send(new URL("session", BASE), { method: "POST", headers: { Authorization: `Bearer ${key}` } }));

/** Return the present session. */
export const findSession = async () => refuse(await send(new URL("session", BASE)));

/** End the session. */
export const closeSession = async () => refuse(await send(new URL("session", BASE), { method: "DELETE" }));

/** Carry out an operation of the control API. */
export async function control(operation, args = {}, { keepalive = false, signal } = {}) {
  const options = { method: "POST", body: JSON.stringify(args), keepalive, signal };
  return refuse(await send(new URL(`control/${operation}`, BASE), options));
}

/** Ask a gateway for its status, or have it begin the checks of its doctor. */
export const gatewayStatus = async () => refuse(await send(new URL("gateway/status", BASE)));
export const runDoctor = async () => refuse(await send(new URL("gateway/doctor", BASE), { method: "POST" }));

/** The URL of one of the two streams of the journal, for `EventSource` and downloads. */
export function streamUrl(name, filter = {}) {
  const url = new URL(`control/${name}`, BASE);
  for (const [key, value] of Object.entries(filter)) if (value) url.searchParams.set(key, value);
  return url;
}

/** Call a method of the Web API. */
export async function call(token, method, args = {}) {
  const form = new URLSearchParams();
  for (const [name, value] of Object.entries(args)) {
    if (value === undefined || value === null) continue;
    form.set(name, typeof value === "object" ? JSON.stringify(value) : String(value));
  }
  const headers = { Authorization: `Bearer ${token}` };
  const { response, body } = await send(`/api/${method}`, { method: "POST", body: form, headers });
  if (body?.ok) return body;
  const wait = response.headers.get("Retry-After");
  const hint = wait ? `wait ${wait} s` : "";
  throw new ApiError(body?.error ?? `http_${response.status}`, hint, response.status, body);
}
