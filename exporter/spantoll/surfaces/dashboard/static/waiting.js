"use strict";
// Shows the first page with numbers as soon as anything is in the ledger.
async function look() {
  try {
    const answer = await fetch("/api/v1/records?limit=1&uncounted=true");
    if (answer.ok && (await answer.json()).records.length) {
      location.reload();
      return;
    }
  } catch {
    // The server is away; it is asked again.
  }
  setTimeout(look, 2000);
}
setTimeout(look, 500);
