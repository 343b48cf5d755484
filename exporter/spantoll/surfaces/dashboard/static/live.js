"use strict";
// Puts fresh numbers into the page every 15 seconds, while it is seen and nobody types in it. An
// answer that is the one shown already is not sent again; a server that is away, or asks for
// fewer requests, is asked half as often each time, down to once in 4 minutes.
const PAUSE_MS = 15000;
const LONGEST_MS = 240000;
let pauseMs = PAUSE_MS;
let etag = "";

async function refresh() {
  const main = document.getElementById("main");
  if (!document.hidden && !main.contains(document.activeElement)) {
    try {
      const headers = etag ? { "If-None-Match": etag } : {};
      const answer = await fetch(location.href, { headers, cache: "no-store" });
      if (answer.ok) {
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        main.replaceWith(page.getElementById("main"));
        etag = answer.headers.get("ETag") ?? "";
      }
      if (answer.ok || answer.status === 304) {
        const now = new Date().toLocaleTimeString();
        document.getElementById("live").textContent = `Refreshed at ${now}.`;
        pauseMs = PAUSE_MS;
      } else {
        pauseMs = Math.min(LONGEST_MS, pauseMs * 2);
      }
    } catch {
      pauseMs = Math.min(LONGEST_MS, pauseMs * 2);
    }
  }
  setTimeout(refresh, pauseMs);
}
setTimeout(refresh, PAUSE_MS);
