// Copying: what was copied is said, and what cannot be copied is shown, to be copied by hand.

import { announce, h } from "./dom.js";
import { showDialog } from "./dialog.js";

/** Copy a text; `what` names it in a sentence. Browsers have a clipboard only for this machine and for https. */
export async function copyText(text, what) {
  try {
    await navigator.clipboard.writeText(text);
    announce(`${what} copied`);
  } catch {
    const area = h("textarea", { rows: 12, readonly: true, "aria-label": what, value: text });
    showDialog({ title: what, body: [h("p", {}, "This browser lets the page copy nothing here. Copy it from the field."), area] });
    area.select();
  }
}
