// Making an app from a manifest, and changing the manifest of one.

import { control } from "../api.js";
import { button, failure, fill, h } from "../dom.js";
import { showDialog } from "../dialog.js";

const SAMPLE = `_metadata: {major_version: 1}
display_information: {name: Desk}
features:
  bot_user: {display_name: desk}
  slash_commands: [{command: /desk, description: Ask the desk}]
oauth_config:
  scopes:
    bot: [app_mentions:read, "channels:history", "chat:write", commands]
settings:
  socket_mode_enabled: true
  interactivity: {is_enabled: true}
  event_subscriptions:
    bot_events: [app_mention, message.channels]
`;

/** Let the person give a manifest, and do `act` with it: refused, the dialog stays and says why. Return its answer, or null. */
function manifestDialog({ title, text, verb, busy, act, notes = [] }) {
  return new Promise((resolve) => {
    let answer = null;
    const area = h("textarea", { id: "manifest", rows: 18, spellcheck: "false", class: "manifest", "aria-describedby": "manifest-trouble", value: text });
    const trouble = h("div", { id: "manifest-trouble" });
    const go = button(verb, { class: "go", press: async () => {
      go.disabled = true;
      go.setAttribute("aria-busy", "true");
      go.textContent = busy;
      try {
        answer = await act(area.value);
        dialog.close();
      } catch (error) {
        fill(trouble, failure("Nothing was changed", error));
        area.setAttribute("aria-invalid", "true");
        area.focus();
      }
      go.disabled = false;
      go.removeAttribute("aria-busy");
      go.textContent = verb;
    } });
    const dialog = showDialog({
      title,
      body: [h("p", {}, "The manifest, as YAML or JSON: the same file that Slack takes."), h("label", { class: "sr", for: "manifest" }, "Manifest"), area, trouble, notes],
      foot: [h("span", { class: "end row" }, button("Cancel", { press: () => dialog.close() }), go)],
      kind: "dialog-wide",
    });
    area.focus();
    dialog.closed.then(() => resolve(answer));
  });
}

/** Make an app; return it with its secrets, or null. */
export const makeApp = () =>
  manifestDialog({ title: "Make an app from a manifest", text: SAMPLE, verb: "Make app", busy: "Making", act: (manifest) => control("app.add", { manifest }) });

/** Change the manifest of an app; return whether it was changed. */
export async function editManifest(app) {
  const { manifest } = await control("app.export", { app: app.id });
  const changed = await manifestDialog({ title: `Manifest of ${app.name}`, text: JSON.stringify(manifest, null, 2), verb: "Change app", busy: "Changing",
    act: (text) => control("app.change", { app: app.id, manifest: text }),
    notes: h("p", { class: "faint" }, "What is left out is reset. With other scopes the app has to be installed again, or get a new token.") });
  return changed !== null;
}
