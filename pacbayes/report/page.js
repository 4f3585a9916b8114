"use strict";

// One budget of a plan at a time. All numbers are in the page already: without this script, every
// budget is shown.
for (const plan of document.querySelectorAll(".plan")) {
  const panels = [...plan.querySelectorAll(".budget")];
  const slider = plan.querySelector("input[type=range]");
  const output = plan.querySelector("output");
  const marks = plan.closest("article").querySelectorAll(".budget-mark");

  const show = (place) => {
    const { units, answer } = panels[place].dataset;
    panels.forEach((panel, i) => { panel.hidden = i !== place; });
    marks.forEach((mark) => { mark.classList.toggle("chosen", Number(mark.dataset.place) === place); });
    slider.value = place;
    slider.setAttribute("aria-valuetext", units);
    output.textContent = answer;
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

// a table or drawing is a stop for the keyboard only while it has to be scrolled
const fits = new ResizeObserver((entries) => entries.forEach(({ target }) => {
  target.tabIndex = target.scrollWidth > target.clientWidth ? 0 : -1;
}));
document.querySelectorAll(".wide").forEach((part) => fits.observe(part));

// what is folded up would not be printed
addEventListener("beforeprint", () => {
  document.querySelectorAll("details").forEach((details) => { details.open = true; });
});
