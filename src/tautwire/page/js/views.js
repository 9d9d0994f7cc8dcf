// The views and tools that there are. Each module is loaded when it is first shown.
//
// A wide view (apps, people, health, gateway) exports `show(container, context)`, called each time it is opened, and
// may return a function that is called when it is left. A tool (a tab beside the chat) does the same. `context` has
// `state` (see state.js), and `rest`, the parts of the address behind the name.

export const PAGES = [
  { name: "apps", label: "Apps", icon: "list", load: () => import("./apps/page.js") },
  { name: "people", label: "People", icon: "at", load: () => import("./people/page.js") },
  { name: "health", label: "Health", icon: "wire", load: () => import("./health/page.js") },
];

export const TOOLS = [
  { name: "frames", label: "Frames", icon: "wire", load: () => import("./wire/frames.js") },
  { name: "connections", label: "Connections", load: () => import("./wire/connections.js") },
  { name: "break", label: "Break", icon: "bolt", load: () => import("./break/tool.js") },
  { name: "compose", label: "Compose", icon: "edit", load: () => import("./compose/tool.js") },
];

// Below all panes: exports `show(container, context)`.
export const STRIP = () => import("./health/strip.js");
