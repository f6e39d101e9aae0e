/**
 * The page's only script, inside it: a click (or Enter) on a heading of a table of class "sortable" sorts its rows by
 * that column, the largest numbers first and words from A; again turns the order round. Without scripts the tables
 * stand as they are.
 */
export const SORT_TABLES = `
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  const value = (row, column) => {
    const text = row.cells[column].textContent.trim().replace("\\u2212", "-").replace(/(\\d),(\\d)/, "$1.$2");
    const number = parseFloat(text);
    return heads[column].classList.contains("number") ? (Number.isNaN(number) ? -Infinity : number) : text;
  };
  const compare = (a, b) => (typeof a === "number" ? b - a : a.localeCompare(b));
  heads.forEach((head, column) => {
    const sort = () => {
      const isFirst = head.getAttribute("aria-sort") === null;
      const isTurned = head.dataset.turned === "no";
      for (const other of heads) { other.removeAttribute("aria-sort"); delete other.dataset.turned; }
      const sign = isFirst || !isTurned ? 1 : -1;
      head.dataset.turned = sign === 1 ? "no" : "yes";
      head.setAttribute("aria-sort", head.classList.contains("number") === (sign === 1) ? "descending" : "ascending");
      body.append(...[...body.rows].sort((a, b) => sign * compare(value(a, column), value(b, column))));
    };
    head.tabIndex = 0;
    head.addEventListener("click", sort);
    head.addEventListener("keydown", (event) => { if (event.key === "Enter") sort(); });
  });
}`;
