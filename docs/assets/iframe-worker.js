// Lets the search of the site work when its pages are opened from a disk (file://), where browsers refuse workers:
// the script of the worker runs in a hidden frame instead. Has no effect on a site that is served.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      document.body.append(frame);
      const scope = frame.contentWindow;
      const load = (source) =>
        new Promise((loaded, failed) => {
          const script = scope.document.createElement("script");
          Object.assign(script, { src: source, onload: loaded, onerror: failed });
          scope.document.body.append(script);
        });
      scope.importScripts = (...sources) => sources.reduce((before, each) => before.then(() => load(each)), Promise.resolve());
      scope.postMessage = (data) => this.#tell(data);
      this.scope = scope;
      this.ready = load(url);
    }

    postMessage(data) {
      this.ready.then(() => this.scope.dispatchEvent(new MessageEvent("message", { data })));
    }

    terminate() {
      this.scope.frameElement.remove();
    }

    #tell(data) {
      const event = new MessageEvent("message", { data });
      this.dispatchEvent(event);
      this.onmessage?.(event);
    }
  };
}
