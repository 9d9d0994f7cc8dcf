// Files: how they are shown, and how they are sent.

import { ApiError } from "../api.js";
import { failure, fill, h, hidden, icon } from "../dom.js";
import { sizeText } from "./times.js";

const SHOWN = /^image\/(png|jpeg|gif|webp)$/;
const LARGEST_SHOWN = 20_000_000;

/** Return a file of a message: a card that fetches it with the person's token; pictures are shown. */
export function fileOf(person, file) {
  if (file.mode === "tombstone" || !file.url_private) return h("p", { class: "faint" }, "This file was deleted.");
  const trouble = h("div");
  const fetchIt = async () => {
    try {
      const url = URL.createObjectURL(await person.fetchFile(file.url_private_download ?? file.url_private));
      const anchor = h("a", { href: url, download: file.name });
      anchor.click();
      setTimeout(() => URL.revokeObjectURL(url), 60_000);
    } catch (error) {
      fill(trouble, failure("The file cannot be read", error));
    }
  };
  const kind = file.pretty_type || file.filetype || "File";
  const card = h("button", { type: "button", class: "file", title: `Save ${file.name}`, on: { click: fetchIt } },
    icon("file"), hidden("Save "), h("span", {}, h("strong", {}, h("bdi", {}, file.title || file.name)), h("span", { class: "faint" }, `${kind}, ${sizeText(file.size ?? 0)}`)));
  return h("div", { class: "file-box" }, SHOWN.test(file.mimetype) && file.size <= LARGEST_SHOWN ? picture(person, file) : null, card, trouble);
}

/** Return a picture in a place of its size, so that nothing moves when it comes. */
function picture(person, file) {
  const image = h("img", { alt: file.alt_txt || file.title || file.name, class: "picture" });
  const width = Math.min(file.original_w || 320, 360);
  const height = file.original_w ? Math.round((file.original_h / file.original_w) * width) : 200;
  image.style.setProperty("width", `${width}px`);
  image.style.setProperty("height", `${Math.min(height, 360)}px`);
  person.fetchFile(file.url_private).then((blob) => {
    const url = URL.createObjectURL(new Blob([blob], { type: file.mimetype }));
    image.addEventListener("load", () => URL.revokeObjectURL(url), { once: true });
    image.src = url;
  }).catch(() => image.replaceWith(h("p", { class: "faint" }, `The picture ${file.name} cannot be read.`)));
  return image;
}

/** Upload files as the person, and share them in a channel with one message. */
export async function sendFiles(person, files, { channel, text, thread, progress }) {
  const sent = [];
  for (const [index, file] of files.entries()) {
    progress(`Sending ${file.name}, ${index + 1} of ${files.length}`);
    const { upload_url: given, file_id: id } = await person.call("files.getUploadURLExternal", { filename: file.name, length: file.size });
    const here = new URL(new URL(given).pathname, location.href);
    const response = await fetch(here, { method: "POST", body: file });
    if (!response.ok) throw new ApiError(`http_${response.status}`, "the upload was refused");
    sent.push({ id, title: file.name });
  }
  await person.call("files.completeUploadExternal", { files: sent, channel_id: channel, initial_comment: text || undefined, thread_ts: thread });
}
