"use strict";
// Sort the clauses of each chapter by the column of the button that was pressed: first ascending, then descending.
for (const button of document.querySelectorAll("table.sortable th button")) {
  button.addEventListener("click", () => {
    const heading = button.closest("th");
    const table = heading.closest("table");
    const column = heading.cellIndex;
    const direction = heading.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    for (const other of table.querySelectorAll("thead th")) other.setAttribute("aria-sort", "none");
    heading.setAttribute("aria-sort", direction === 1 ? "ascending" : "descending");
    const value = (row) => Number(row.cells[column].dataset.value);
    for (const chapter of table.tBodies) {
      const rows = [...chapter.rows].filter((row) => row.dataset.ending);
      chapter.append(...rows.sort((a, b) => direction * (value(a) - value(b))));
    }
    document.getElementById("announce").textContent =
      `sorted by ${button.textContent}, ${heading.getAttribute("aria-sort")}`;
  });
}
// Show only the clauses whose text contains what is typed, and that ended as the pressed tile says.
for (const table of document.querySelectorAll("table.clauses")) {
  const filter = table.previousElementSibling;
  const typed = filter.querySelector("input");
  const tiles = [...table.parentElement.querySelectorAll(":scope > .tiles > .tile")];
  const rows = [...table.querySelectorAll("tr[data-ending]")];
  const show = () => {
    const wanted = typed.value.trim().toLowerCase();
    const pressed = tiles.find((tile) => tile.getAttribute("aria-pressed") === "true");
    for (const row of rows) {
      const ended = !pressed || row.dataset.ending === pressed.dataset.ending;
      row.hidden = !ended || !row.textContent.toLowerCase().includes(wanted);
    }
    for (const chapter of table.tBodies) chapter.hidden = ![...chapter.rows].some((row) => row.dataset.ending && !row.hidden);
    const shown = rows.filter((row) => !row.hidden).length;
    filter.querySelector(".shown").textContent = shown === rows.length ? "" : `${shown} of ${rows.length} shown`;
  };
  typed.addEventListener("input", show);
  for (const tile of tiles) {
    tile.addEventListener("click", () => {
      const wasPressed = tile.getAttribute("aria-pressed") === "true";
      for (const other of tiles) other.setAttribute("aria-pressed", String(other === tile && !wasPressed));
      show();
    });
  }
  filter.hidden = false;
}
// A link into something folded or filtered away shows it.
const opened = () => {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  for (let around = target; around; around = around.parentElement) {
    if (around instanceof HTMLDetailsElement) around.open = true;
    around.hidden = false;
  }
  target.scrollIntoView();
};
addEventListener("hashchange", opened);
opened();
