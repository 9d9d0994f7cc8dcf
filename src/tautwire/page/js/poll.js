// Reading something again and again while it is looked at.

/** Call `read` now and every `seconds` while the page can be seen; return what ends it, with `now()` to read at once. */
export function poll(read, seconds) {
  let timer = null;
  let isEnded = false;
  let isReading = false;
  const again = async () => {
    clearTimeout(timer);
    if (isEnded || isReading) return;
    isReading = true;
    try {
      if (!document.hidden) await read();
    } finally {
      isReading = false;
      if (!isEnded) timer = setTimeout(again, seconds * 1000);
    }
  };
  const seen = () => !document.hidden && again();
  document.addEventListener("visibilitychange", seen);
  again();
  const end = () => {
    isEnded = true;
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", seen);
  };
  return Object.assign(end, { now: again });
}
