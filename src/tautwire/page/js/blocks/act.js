// What a person does in a block, and what came of it.

import { control } from "../api.js";
import { showOutcome } from "./outcome.js";

const SILENT_AFTER = 3_000;

/**
 * Press or choose something. `place` has `person`, and `channel` and `ts` of a message or `view` with an `id`;
 * `place.report(node)` gets what there is to say. Return the answer, or null.
 */
export async function act(place, operation, args, element) {
  const where = place.view ? { view_id: place.view.id } : { channel: place.channel, ts: place.ts };
  const report = (node) => (place.report ?? place.pane?.report.bind(place.pane, place.ts))?.(node);
  element?.setAttribute("aria-busy", "true");
  const silence = setTimeout(() => report(showOutcome({ silent: true })), SILENT_AFTER);
  try {
    const answer = await control(operation, { user: place.person.id, ...where, ...args });
    clearTimeout(silence);
    report(showOutcome(answer));
    return answer;
  } catch (error) {
    clearTimeout(silence);
    report(showOutcome({ failed: error }));
    return null;
  } finally {
    element?.removeAttribute("aria-busy");
  }
}
