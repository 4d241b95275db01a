// Tables are sorted by a click on a column's name; cells without a value come last either way.
for (const table of document.querySelectorAll("table")) {
  const headers = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  headers.forEach((header, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    header.append(button);
    button.addEventListener("click", () => {
      const up = header.getAttribute("aria-sort") !== "ascending";
      const isNumber = header.classList.contains("number");
      const key = (row) => {
        const cell = row.cells[column];
        return isNumber ? parseFloat(cell.dataset.value) : cell.textContent;
      };
      const compare = (one, other) => {
        if (!isNumber) return one.localeCompare(other, undefined, { numeric: true }) * (up ? 1 : -1);
        if (isNaN(one) || isNaN(other)) return isNaN(one) - isNaN(other);
        return (one - other) * (up ? 1 : -1);
      };
      body.append(...[...body.rows].sort((one, other) => compare(key(one), key(other))));
      for (const other of headers) other.removeAttribute("aria-sort");
      header.setAttribute("aria-sort", up ? "ascending" : "descending");
    });
  });
}
