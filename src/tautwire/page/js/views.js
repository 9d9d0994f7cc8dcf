// The views and tools that there are, and which of them are shown: those of the parts that the program behind the page
// has. Each module is loaded when it is first shown.
//
// A wide view (apps, people, health, gateway) exports `show(container, context)`, called each time it is opened, and
// may return a function that is called when it is left. A tool (a tab beside the chat) does the same. `context` has
// `state` (see state.js), and `rest`, the parts of the address behind the name.

const VIEWS = {
  control: {
    pages: [
      { name: "apps", label: "Apps", icon: "list", load: () => import("./apps/page.js") },
      { name: "people", label: "People", icon: "at", load: () => import("./people/page.js") },
      { name: "health", label: "Health", icon: "wire", load: () => import("./health/page.js") },
    ],
    tools: [
      { name: "frames", label: "Frames", icon: "wire", load: () => import("./wire/frames.js") },
      { name: "connections", label: "Connections", load: () => import("./wire/connections.js") },
      { name: "break", label: "Break", icon: "bolt", load: () => import("./break/tool.js") },
      { name: "compose", label: "Compose", icon: "edit", load: () => import("./compose/tool.js") },
    ],
    chat: true,
    strip: () => import("./health/strip.js"),
  },
  gateway: { pages: [{ name: "gateway", label: "Gateway", icon: "swap", load: () => import("./gateway/page.js") }], tools: [] },
};

export let PAGES = [];
export let TOOLS = [];
/** Below all panes: loads what exports `show(container, context)`; null for nothing. */
export let STRIP = null;
export let HAS_CHAT = false;

/** Show the views of these parts, as the session names them. */
export function offer(parts) {
  const shown = parts.map((part) => VIEWS[part]).filter(Boolean);
  PAGES = shown.flatMap((each) => each.pages);
  TOOLS = shown.flatMap((each) => each.tools);
  STRIP = shown.find((each) => each.strip)?.strip ?? null;
  HAS_CHAT = shown.some((each) => each.chat);
}
