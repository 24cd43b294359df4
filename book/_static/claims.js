/* Filters for the list of claims: by verdict, task, chapter and words; expand all; a button that copies a command.

   The list itself is plain HTML (indi/figures/ledger.py writes it), and can be read without this script. What is
   chosen stands in the address, so that a filtered list can be linked; so can each claim. */
(function () {
  "use strict";

  const NONE = "(none)";

  function element(tag, attributes, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) made.setAttribute(name, value);
    made.append(...children);
    return made;
  }

  function claims(root) {
    const cards = [...root.querySelectorAll(".indi-claim")];
    const words = new Map(cards.map((card) => [card, card.textContent.toLowerCase()]));

    /* A menu of the values that occur, in the order of the list. */
    const menu = (name, label) => {
      const values = [...new Set(cards.map((card) => card.dataset[name]))];
      const select = element("select", { id: `claims-${name}` }, element("option", { value: "" }, "all"),
        ...values.map((value) => {
          const count = cards.filter((card) => card.dataset[name] === value).length;
          const shown = value ? value.replace(/_/g, " ") : "no single task";
          return element("option", { value: value || NONE }, `${shown} (${count})`);
        }));
      return [name, select, element("label", { for: select.id }, label, select)];
    };
    const menus = [menu("verdict", "Verdict"), menu("task", "Task"), menu("chapter", "Chapter")];
    const search = element("input", { type: "search", id: "claims-search", placeholder: "e.g. LPIPS" });
    const count = element("p", { class: "indi-count", role: "status" });
    const expand = element("button", { type: "button", class: "indi-expand" }, "Expand all");
    const clear = element("button", { type: "button", class: "indi-clear" }, "Clear filters");

    const filters = element("div", { class: "indi-filters", role: "search", "aria-label": "Filter the claims" },
      ...menus.map(([, , label]) => label), element("label", { for: search.id }, "Search", search), expand, clear);
    root.prepend(filters, count);

    const seen = () => cards.filter((card) => !card.hidden);

    function filter() {
      const wanted = search.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
      cards.forEach((card) => {
        card.hidden = menus.some(([name, select]) => select.value && (card.dataset[name] || NONE) !== select.value)
          || wanted.some((word) => !words.get(card).includes(word));
      });
      count.textContent = `${seen().length} of ${cards.length} claims`;
      label();
    }

    function label() {
      const all = seen().length > 0 && seen().every((card) => card.open);
      expand.textContent = all ? "Close all" : "Expand all";
    }

    /* Into the address, without a new entry in the history. A page from a file may refuse. */
    function remember() {
      const asked = new URLSearchParams();
      menus.forEach(([name, select]) => { if (select.value) asked.set(name, select.value); });
      if (search.value) asked.set("search", search.value);
      try {
        history.replaceState(null, "", asked.size ? `?${asked}` : location.pathname);
      } catch { /* the list is filtered all the same */ }
    }

    function recall() {
      const asked = new URLSearchParams(location.search);
      menus.forEach(([name, select]) => {
        if ([...select.options].some((option) => option.value === asked.get(name))) select.value = asked.get(name);
      });
      search.value = asked.get("search") || "";
    }

    /* A link to a claim opens it, whatever is filtered. */
    function follow() {
      const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
      const card = target && target.closest(".indi-claim");
      if (!card) return;
      if (card.hidden) { menus.forEach(([, select]) => { select.value = ""; }); search.value = ""; filter(); }
      card.open = true;
      card.scrollIntoView({ behavior: "instant" });
    }

    menus.forEach(([, select]) => select.addEventListener("change", () => { filter(); remember(); }));
    search.addEventListener("input", () => { filter(); remember(); });
    clear.addEventListener("click", () => {
      menus.forEach(([, select]) => { select.value = ""; });
      search.value = "";
      filter();
      remember();
    });
    expand.addEventListener("click", () => {
      const open = !seen().every((card) => card.open);
      seen().forEach((card) => { card.open = open; });
      label();
    });
    root.addEventListener("toggle", label, true);
    window.addEventListener("hashchange", follow);
    window.addEventListener("load", follow); // pictures and fonts above have moved it

    root.querySelectorAll(".indi-command").forEach((command) => {
      const button = element("button", { type: "button", class: "indi-copy" }, "Copy");
      button.addEventListener("click", async () => {
        const text = command.textContent;
        try {
          await navigator.clipboard.writeText(text);
        } catch {
          getSelection().selectAllChildren(command);
          document.execCommand("copy");
        }
        button.textContent = "Copied";
        setTimeout(() => { button.textContent = "Copy"; }, 2000);
      });
      command.after(" ", button);
    });

    recall();
    filter();
    follow();
  }

  document.addEventListener("DOMContentLoaded", () => document.querySelectorAll(".indi-claims").forEach(claims));
})();
