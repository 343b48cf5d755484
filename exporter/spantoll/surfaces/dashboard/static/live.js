"use strict";
// Puts fresh numbers into the page every 15 seconds, while it is seen and nobody types in it.
const PAUSE_MS = 15000;
async function refresh() {
  const main = document.getElementById("main");
  if (!document.hidden && !main.contains(document.activeElement)) {
    try {
      const answer = await fetch(location.href);
      if (answer.ok) {
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        main.replaceWith(page.getElementById("main"));
        const now = new Date().toLocaleTimeString();
        document.getElementById("live").textContent = `Refreshed at ${now}.`;
      }
    } catch {
      // The server is away; it is asked again.
    }
  }
  setTimeout(refresh, PAUSE_MS);
}
setTimeout(refresh, PAUSE_MS);
