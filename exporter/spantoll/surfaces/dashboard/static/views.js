"use strict";
// Saved views: names for addresses, kept in this browser. An address holds all of a view.
const KEY = "spantoll.views";
const views = document.getElementById("views");

function readViews() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY));
    return Array.isArray(kept) ? kept.filter((view) => view.address?.startsWith("/")) : [];
  } catch {
    return [];
  }
}

function keepViews(kept) {
  localStorage.setItem(KEY, JSON.stringify(kept));
  showViews();
}

function showViews() {
  const rows = readViews().map((view) => {
    const row = document.createElement("li");
    const link = document.createElement("a");
    link.href = view.address;
    link.textContent = view.name;
    const remove = document.createElement("button");
    remove.type = "button";
    remove.textContent = "×";
    remove.setAttribute("aria-label", `Remove the view ${view.name}`);
    remove.addEventListener("click", () => {
      keepViews(readViews().filter((other) => other.name !== view.name));
    });
    row.append(link, " ", remove);
    return row;
  });
  views.querySelector("ul").replaceChildren(...rows);
}

views.querySelector("form").addEventListener("submit", (event) => {
  event.preventDefault();
  const input = event.target.elements.name;
  const name = input.value.trim();
  const address = location.pathname + location.search;
  keepViews([...readViews().filter((other) => other.name !== name), { name, address }]);
  input.value = "";
});
showViews();
views.hidden = false;
