"use strict";

// One budget of a plan at a time. All numbers are in the page already: without this script, every
// budget is shown.
for (const plan of document.querySelectorAll(".plan")) {
  const panels = [...plan.querySelectorAll(".budget")];
  const slider = plan.querySelector("input[type=range]");
  const output = plan.querySelector("output");
  const marks = plan.closest("article").querySelectorAll(".budget-mark");

  const show = (place) => {
    const words = `${Number(panels[place].dataset.budget).toLocaleString("en")} units`;
    panels.forEach((panel, i) => { panel.hidden = i !== place; });
    marks.forEach((mark) => { mark.classList.toggle("chosen", Number(mark.dataset.place) === place); });
    slider.value = place;
    slider.setAttribute("aria-valuetext", words);
    output.textContent = words;
  };

  // a link to a budget, in the table of all or from outside, chooses it
  const follow = () => {
    const place = panels.findIndex((panel) => `#${panel.firstElementChild.id}` === location.hash);
    if (place < 0) return false;
    show(place);
    panels[place].scrollIntoView();
    return true;
  };

  plan.querySelector(".control").hidden = false;
  slider.addEventListener("input", () => show(Number(slider.value)));
  addEventListener("hashchange", follow);
  if (!follow()) show(0);
}

// what is folded up would not be printed
addEventListener("beforeprint", () => {
  document.querySelectorAll("details").forEach((details) => { details.open = true; });
});
