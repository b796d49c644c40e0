// The document is complete without this script: it adds search and sorting to it.
for (const box of document.querySelectorAll("[data-search]")) {
  const rows = [...document.getElementById(box.dataset.search).tBodies[0].rows];
  const texts = rows.map((row) => fold(row.textContent));
  const input = box.querySelector("input");
  const status = box.querySelector("[role=status]");
  box.hidden = false;
  input.addEventListener("input", () => {
    const words = wordsOf(input.value);
    let shown = 0;
    rows.forEach((row, index) => {
      row.hidden = !words.every((word) => texts[index].includes(word));
      shown += row.hidden ? 0 : 1;
    });
    status.textContent = words.length ? `${shown} of ${rows.length}` : "";
  });
}
const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });
for (const table of document.querySelectorAll("table[data-sortable]")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const direction = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      heads.forEach((each) => each.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
      const key = (row) => row.cells[column].dataset.key ?? row.cells[column].textContent.trim();
      const keyed = [...table.tBodies[0].rows].map((row) => [key(row), row]);
      keyed.sort((one, two) => direction * collator.compare(one[0], two[0]));
      table.tBodies[0].append(...keyed.map((pair) => pair[1]));
    });
  });
}
