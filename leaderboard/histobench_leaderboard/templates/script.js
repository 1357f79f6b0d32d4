"use strict";
// Sort a table by the column whose header is pressed; undefined numbers are always last.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const headers = [...table.tHead.rows[0].cells];
  headers.forEach((header, column) => {
    const button = header.querySelector("button");
    if (!button) return;
    const numeric = button.hasAttribute("data-numeric");
    const value = (row) => {
      const cell = row.cells[column];
      const sort = cell.hasAttribute("data-sort") ? cell.dataset.sort : cell.textContent.trim();
      if (!numeric) return sort;
      const number = sort === "" ? NaN : Number(sort);
      return number;
    };
    const compare = (a, b) => {
      if (!numeric) return a.localeCompare(b);
      return a - b;
    };
    button.addEventListener("click", () => {
      const descending = header.getAttribute("aria-sort") === "ascending";
      headers.forEach((other) => other.removeAttribute("aria-sort"));
      header.setAttribute("aria-sort", descending ? "descending" : "ascending");
      const rows = [...body.rows].map((row) => [value(row), row]);
      const last = (v) => numeric && Number.isNaN(v);
      rows.sort(([a], [b]) => last(a) - last(b) || (last(a) ? 0 : (descending ? -1 : 1) * compare(a, b)));
      body.append(...rows.map(([, row]) => row));
    });
  });
}
// Show one metric of a section at a time; without script all are shown below each other.
for (const group of document.querySelectorAll(".metrics")) {
  const buttons = [...group.querySelectorAll("button")];
  const show = (chosen) => buttons.forEach((button) => {
    button.setAttribute("aria-pressed", String(button === chosen));
    document.getElementById(button.dataset.board).hidden = button !== chosen;
  });
  buttons.forEach((button) => button.addEventListener("click", () => show(button)));
  group.hidden = false;
  show(buttons[0]);
}
