// Printing: what a search left out is said above its table, and details are unfolded unless the summary is printed.
let restore = [];
function unfold(element) {
  for (const each of element.querySelectorAll("details:not([open])")) {
    each.open = true;
    restore.push(() => { each.open = false; });
  }
}
function sayFilter(box, table) {
  const note = document.createElement("p");
  const count = box.querySelector("[role=status]").textContent;
  note.className = "filter";
  note.textContent = `Filtered by “${box.querySelector("input").value.trim()}”, ${count}`;
  table.before(note);
  table.classList.add("filtered");
  restore.push(() => { note.remove(); table.classList.remove("filtered"); });
}
addEventListener("beforeprint", () => {
  for (const box of document.querySelectorAll("[data-search]")) {
    const table = document.getElementById(box.dataset.search);
    if (box.querySelector("input").value.trim()) {
      sayFilter(box, table);
      unfold(table);
    }
  }
  if (document.getElementById("print-whole").checked) unfold(document);
});
addEventListener("afterprint", () => {
  restore.forEach((undo) => undo());
  restore = [];
});
