// The gallery: which map lies over the photographs, which of them are shown, and in which order.
// Names come from the page as text or data attributes, and are never parsed as HTML.
"use strict";
{
  const find = (id) => document.getElementById(id);
  const list = find("cards");
  const cards = [...list.querySelectorAll(".card")];
  const layers = [...list.querySelectorAll(".layer")];
  const dialog = find("dialog");
  let visible = cards; // in the order shown
  let enlarged = null; // the card in the dialog
  let wantedRound = Infinity; // stays when a map has fewer rounds

  const kind = () => document.querySelector("[name=kind]:checked").value;

  const roundsOf = (name) => {
    const found = layers.filter((layer) => layer.dataset.kind === name && layer.dataset.round);
    return [...new Set(found.map((layer) => Number(layer.dataset.round)))].sort((a, b) => a - b);
  };

  const element = (name, className, ...content) => {
    const made = document.createElement(name);
    made.className = className;
    made.append(...content);
    return made;
  };

  const radio = (group, value, checked) => {
    const input = Object.assign(element("input", ""), { type: "radio", name: group, value, checked });
    return element("label", "", input, Object.assign(element("span", ""), { textContent: value }));
  };

  function showLayers() {
    const name = kind();
    const rounds = roundsOf(name);
    const round = rounds.filter((number) => number <= wantedRound).at(-1) ?? rounds[0];
    for (const layer of layers) {
      const fits = !layer.dataset.round || Number(layer.dataset.round) === round;
      layer.classList.toggle("shown", layer.dataset.kind === name && fits);
    }
    const fieldset = find("rounds");
    const hadFocus = fieldset.contains(document.activeElement);
    fieldset.replaceChildren(
      fieldset.querySelector("legend"),
      ...rounds.map((number) => radio("round", number, number === round)),
    );
    fieldset.classList.toggle("empty", !rounds.length);
    if (hadFocus) fieldset.querySelector(":checked")?.focus();
  }

  function stepRound(step) {
    const rounds = roundsOf(kind());
    const at = rounds.indexOf(Number(find("rounds").querySelector(":checked")?.value));
    const next = rounds[at + step];
    if (at < 0 || next === undefined) return;
    wantedRound = next;
    showLayers();
  }

  function showOpacity(value) {
    document.documentElement.style.setProperty("--opacity", value / 100);
    find("shown-opacity").textContent = `${value}%`;
    find("opacity").value = find("dialog-opacity").value = value;
  }

  const byNumber = (key, sign) => (a, b) => {
    const [first, second] = [a, b].map((card) => Number(card.dataset[key] ?? -sign * Infinity));
    return first === second ? 0 : sign * (second - first);
  };
  const byId = (a, b) => a.dataset.id.localeCompare(b.dataset.id, "en", { numeric: true });
  const orders = {
    doubt: byNumber("doubt", 1),
    coverage: byNumber("coverage", -1),
    change: byNumber("change", 1),
    id: byId,
  };

  function showCards() {
    const search = find("search").value.trim().toLowerCase();
    const order = orders[find("order").value];
    const fits = ({ dataset }) =>
      (!find("class").value || dataset.classes.split(" ").includes(find("class").value)) &&
      (!find("split").value || dataset.split === find("split").value) &&
      (!find("corrected").checked || "corrected" in dataset) &&
      dataset.id.toLowerCase().includes(search);
    for (const card of cards) card.hidden = !fits(card);
    cards.sort((a, b) => order(a, b) || byId(a, b));
    list.append(...cards);
    visible = cards.filter((card) => !card.hidden);
    find("count").textContent = `${visible.length} of ${cards.length} images`;
  }

  function tile(card, layer) {
    const stack = card.querySelector(".stack").cloneNode(false);
    stack.append(card.querySelector(".photo").cloneNode());
    if (layer) stack.append(layer.querySelector("img").cloneNode());
    const caption = layer ? layer.querySelector("figcaption").textContent : "photograph";
    return element("figure", "tile", stack, element("figcaption", "", caption));
  }

  function enlarge(card) {
    enlarged = card;
    find("dialog-title").textContent = card.dataset.id;
    const about = card.querySelectorAll(".tags, .facts, .parts");
    find("dialog-facts").replaceChildren(...[...about].map((part) => part.cloneNode(true)));
    // The photograph and single maps, then a row for each kind of which there are several.
    const maps = [...card.querySelectorAll(".layer")];
    const kinds = [...new Set(maps.map((layer) => layer.dataset.kind))];
    const groups = kinds.map((name) => maps.filter((layer) => layer.dataset.kind === name));
    const single = groups.filter((group) => group.length === 1).flat();
    const rows = [[null, ...single], ...groups.filter((group) => group.length > 1)];
    const tiles = rows.map((row) => row.map((layer) => tile(card, layer)));
    find("dialog-maps").replaceChildren(...tiles.map((row) => element("div", "tiles", ...row)));
    const at = visible.indexOf(card);
    find("previous").disabled = at <= 0;
    find("next").disabled = at === visible.length - 1;
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
  }

  function stepCard(step) {
    const card = visible[visible.indexOf(enlarged) + step];
    if (card) enlarge(card);
  }

  function onArrow(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const busy = event.target.closest("input, select, .scroll");
    if (!step || busy || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    if (dialog.open) stepCard(step);
    else stepRound(step);
  }

  // What this run does not have is not offered.
  const names = new Set(["", ...layers.map((layer) => layer.dataset.kind)]);
  for (const input of document.querySelectorAll("[name=kind]")) {
    if (!names.has(input.value)) input.parentElement.remove();
  }
  const [none, first] = document.querySelectorAll("[name=kind]");
  (first ?? none).checked = true;
  find("rounds").hidden = ![...names].some((name) => roundsOf(name).length > 1);
  for (const key of ["doubt", "coverage", "change"]) {
    if (!cards.some((card) => key in card.dataset)) {
      find("order").querySelector(`[value=${key}]`).remove();
    }
  }
  const splits = new Set(cards.map((card) => card.dataset.split));
  find("split").parentElement.hidden = splits.size < 2;
  find("corrected").parentElement.hidden = !cards.some((card) => "corrected" in card.dataset);

  find("kinds").addEventListener("change", showLayers);
  find("rounds").addEventListener("change", (event) => {
    wantedRound = Number(event.target.value);
    showLayers();
  });
  for (const id of ["opacity", "dialog-opacity"]) {
    find(id).addEventListener("input", (event) => showOpacity(event.target.value));
  }
  for (const id of ["class", "split", "order", "corrected"]) {
    find(id).addEventListener("change", showCards);
  }
  find("search").addEventListener("input", showCards);
  find("controls").addEventListener("submit", (event) => event.preventDefault());
  list.addEventListener("click", (event) => {
    const card = event.target.closest(".card");
    if (card) enlarge(card);
  });
  find("previous").addEventListener("click", () => stepCard(-1));
  find("next").addEventListener("click", () => stepCard(1));
  find("close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => enlarged.querySelector("button").focus());
  document.addEventListener("keydown", onArrow);

  for (const card of cards) card.querySelector("button").disabled = false;
  showOpacity(find("opacity").value);
  showLayers();
  showCards();
  find("controls").hidden = cards.length === 0;
}
