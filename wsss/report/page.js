"use strict";
(() => {
  const find = (selector, inside = document) => inside.querySelector(selector);
  const gallery = find("#gallery");
  if (!gallery) return;
  const cards = [...gallery.children];
  const values = new Map(cards.map((card) => [card, JSON.parse(card.dataset.values)]));
  const tools = find("#tools"), layers = find("#layers"), legend = find(".legend"), large = find("#large");
  const choose = { label: find("#class"), split: find("#split"), order: find("#order") };
  let enlarged = null;
  // On a phone the pictures come first.
  if (matchMedia("(max-width: 40rem)").matches) tools.open = false;

  // Of the soft maps in a card, show the one of a class.
  function showClass(holder, label) {
    const maps = [...holder.querySelectorAll("img[data-label]")];
    if (!maps.some((map) => map.dataset.label === label)) return;
    for (const map of maps) map.classList.toggle("off", map.dataset.label !== label);
    for (const chip of holder.querySelectorAll("button.chip")) {
      chip.setAttribute("aria-pressed", String(chip.dataset.label === label));
    }
  }

  function shownCards() {
    return [...gallery.children].filter((card) => !card.hidden);
  }

  function filter() {
    const label = choose.label.value, split = choose.split ? choose.split.value : "";
    for (const card of cards) {
      const hasClass = !label || card.dataset.labels.split(" ").includes(label);
      card.hidden = !hasClass || (split !== "" && card.dataset.split !== split);
      if (label) showClass(card, label);
    }
    find("#count").value = `${shownCards().length} images`;
  }

  // What has no value goes last, whichever way the others are sorted.
  function sort() {
    const [column, sign] = choose.order.value.split(" ").map(Number);
    const sorted = choose.order.value === "" ? cards : [...cards].sort((one, other) => {
      const a = values.get(one)[column], b = values.get(other)[column];
      if (a === null || b === null) return (a === null) - (b === null);
      return sign * (a - b);
    });
    gallery.append(...sorted);
  }

  function enlarge(card) {
    enlarged = card;
    const picture = find(".stack", card).cloneNode(true), text = find("figcaption", card).cloneNode(true);
    const [width, height] = picture.style.aspectRatio.split("/").map(Number);
    picture.style.width = `min(100%, ${(64 * width) / height}vh)`;
    find("#large-picture").replaceChildren(picture, text);
    if (!large.open) {
      find("#large-tools").append(layers, legend);
      large.showModal();
    }
  }

  function step(by) {
    const shown = shownCards();
    enlarge(shown[(shown.indexOf(enlarged) + by + shown.length) % shown.length]);
  }

  layers.addEventListener("input", (event) => {
    if (event.target.id === "opacity") document.body.style.setProperty("--opacity", event.target.value);
    else document.body.classList.toggle(`show-${event.target.value}`, event.target.checked);
  });
  choose.label.addEventListener("change", filter);
  if (choose.split) choose.split.addEventListener("change", filter);
  choose.order.addEventListener("change", sort);

  document.addEventListener("click", (event) => {
    const chip = event.target.closest("button.chip"), stack = event.target.closest(".stack");
    if (chip) {
      const holder = chip.closest(".card, dialog");
      showClass(holder, chip.dataset.label);
      if (holder === large) showClass(enlarged, chip.dataset.label);
    } else if (stack && stack.closest("#gallery")) {
      enlarge(stack.closest(".card"));
    }
  });
  find("#before").addEventListener("click", () => step(-1));
  find("#next").addEventListener("click", () => step(1));
  find("#close").addEventListener("click", () => large.close());
  large.addEventListener("close", () => {
    find("summary", tools).after(layers);
    tools.append(legend);
    find(".stack", enlarged).focus();
  });

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("select, [type=range]")) return;
    if (large.open && event.key === "ArrowLeft") step(-1);
    if (large.open && event.key === "ArrowRight") step(1);
    if (/^\d$/.test(event.key)) {
      const box = find(`input[value="${event.key}"][type=checkbox]`, layers);
      if (box) box.click();
    }
  });
})();
