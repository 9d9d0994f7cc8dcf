// The address says what is shown: #/chat/C1, #/chat/C1/TS (a message), #/home/A1, #/tools/frames, #/list, #/apps …

const listeners = new Set();

/** Return the present route: `view`, and what follows it in the address. */
export function route() {
  const parts = location.hash.replace(/^#\/?/, "").split("/").filter(Boolean).map(decode);
  return { view: parts[0] ?? "", rest: parts.slice(1) };
}

function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** Return the address of a view. */
export const href = (...parts) => `#/${parts.map(encodeURIComponent).join("/")}`;

/** Go to a view; with `replace` the one before is not in the history. */
export function go(parts, { replace = false } = {}) {
  const to = href(...parts);
  if (location.hash === to) tell();
  else if (replace) {
    history.replaceState(null, "", to);
    tell();
  } else location.hash = to;
}

export function onRoute(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function tell() {
  for (const listener of listeners) listener(route());
}

addEventListener("hashchange", tell);
