// Tokens that are shown once, with lines for a shell and the line by which each SDK takes them.

import { button, fill, h } from "../dom.js";
import { copyText } from "../clipboard.js";

const API = () => new URL("/api/", location.href).href;
const NAMES = { bot_token: "SLACK_BOT_TOKEN", app_token: "SLACK_APP_TOKEN", signing_secret: "SLACK_SIGNING_SECRET", client_id: "SLACK_CLIENT_ID", client_secret: "SLACK_CLIENT_SECRET" };
const LABELS = { bot_token: "Bot token", app_token: "App-level token", signing_secret: "Signing secret", client_id: "Client id", client_secret: "Client secret" };

/** How each SDK takes the variables. `wants` are those that it reads besides the URL and the bot token. */
const SDKS = [
  { name: "tautwire", wants: [], line: "RTMClient()  # it reads these two" },
  { name: "Python", wants: ["app_token"], line: 'WebClient(token=os.environ["SLACK_BOT_TOKEN"], base_url=os.environ["SLACK_API_URL"])' },
  { name: "Bolt Python", wants: ["app_token", "signing_secret"],
    line: 'app = App(client=WebClient(token=os.environ["SLACK_BOT_TOKEN"], base_url=os.environ["SLACK_API_URL"])), and for Socket Mode SocketModeHandler(app, os.environ["SLACK_APP_TOKEN"]).start()' },
  { name: "Bolt JS", wants: ["app_token", "signing_secret"], line: "new App({ …, clientOptions: { slackApiUrl: process.env.SLACK_API_URL } })" },
  { name: "Node", wants: ["app_token"], line: "new WebClient(process.env.SLACK_BOT_TOKEN, { slackApiUrl: process.env.SLACK_API_URL })" },
  { name: "Go", wants: ["app_token"], line: 'slack.New(os.Getenv("SLACK_BOT_TOKEN"), slack.OptionAPIURL(os.Getenv("SLACK_API_URL")))' },
  { name: "Java", wants: ["app_token", "signing_secret"], line: 'config.setMethodsEndpointUrlPrefix(System.getenv("SLACK_API_URL"))' },
  { name: "All", wants: ["app_token", "signing_secret", "client_id", "client_secret"], line: "" },
];

/** Values are of our own making, but a shell reads them. */
const quoted = (text) => (/^[\w.:/-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

/** Return the lines of an SDK, an `export` for each variable. No comments: some shells take none from the keyboard. */
export function shellLines(sdk, secrets) {
  const wanted = ["bot_token", ...sdk.wants].filter((each) => secrets[each]);
  const exports = wanted.map((each) => `export ${NAMES[each]}=${quoted(secrets[each])}`);
  return [`export SLACK_API_URL=${quoted(API())}`, ...exports].join("\n");
}

let number = 0;

/** Return the section that shows what an app got; `done` is called when the person hides it. */
export function onceSection(name, secrets, done) {
  const id = `once-${++number}`;
  let chosen = SDKS.find((each) => each.name === (secrets.app_token ? "Bolt Python" : "tautwire")); // RTM takes no app-level token
  const pre = h("pre", { tabindex: "0", "aria-label": "Lines to paste" });
  const use = h("p", { class: "faint" });
  const tabs = h("div", { class: "tabs-s", role: "tablist", "aria-label": "Lines for a shell" },
    SDKS.map((sdk) => h("button", { type: "button", role: "tab", "aria-controls": `${id}-shell`, on: { click: () => choose(sdk) } }, sdk.name)));
  const choose = (sdk) => {
    chosen = sdk;
    [...tabs.children].forEach((tab, at) => {
      tab.setAttribute("aria-selected", String(SDKS[at] === sdk));
      tab.tabIndex = SDKS[at] === sdk ? 0 : -1;
    });
    pre.textContent = shellLines(sdk, secrets);
    fill(use, sdk.line ? [`In ${sdk.name}: `, h("code", {}, sdk.line)] : "All that the app has.");
  };
  tabs.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const at = (SDKS.indexOf(chosen) + step + SDKS.length) % SDKS.length;
    choose(SDKS[at]);
    tabs.children[at].focus();
  });
  choose(chosen);
  const rows = Object.keys(LABELS).filter((each) => secrets[each]).map((each) =>
    h("div", { class: "secret" }, h("span", { class: "faint once-label" }, LABELS[each]), h("code", {}, secrets[each]),
      button("Copy", { icon: "copy", label: `Copy ${LABELS[each].toLowerCase()}`, press: () => copyText(secrets[each], LABELS[each]) })));
  const section = h("section", { class: "once", "aria-labelledby": id });
  return fill(section,
    h("div", {}, h("h3", { id, tabindex: "-1" }, "Tokens of ", h("bdi", {}, name)), h("p", {}, "Copy them now. They are shown once and kept only as hashes.")),
    rows, tabs,
    h("div", { class: "shell", id: `${id}-shell`, role: "tabpanel", "aria-label": "Lines for a shell" }, pre,
      button("Copy lines", { icon: "copy", class: "go", press: () => copyText(shellLines(chosen, secrets), "Lines") })),
    use,
    h("div", { class: "row" }, button("Done, hide them", { press: () => {
      section.remove();
      done?.();
    } })));
}
