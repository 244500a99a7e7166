"use strict";
// Each form with data-filters shows those of its items whose data attributes match all of its selects.
for (const form of document.querySelectorAll("form[data-filters]")) {
  const items = document.querySelectorAll(form.dataset.filters);
  const apply = () => {
    const wanted = [...form.querySelectorAll("select")].filter((select) => select.value);
    let shown = 0;
    for (const item of items) {
      item.hidden = !wanted.every((select) => item.dataset[select.name].split(" ").includes(select.value));
      shown += item.hidden ? 0 : 1;
    }
    form.querySelector("output").textContent = `${shown} of ${items.length} shown`;
  };
  form.addEventListener("change", apply);
  form.addEventListener("reset", () => setTimeout(apply));
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  apply(); // browsers restore the selection on back navigation
}
const poses = document.querySelector("#poses");
if (poses) {
  const show = () => document.querySelector(".cards").classList.toggle("no-poses", !poses.checked);
  poses.addEventListener("change", show);
  poses.form.addEventListener("reset", () => setTimeout(show));
  show();
}
