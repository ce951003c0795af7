// Keeps a page fresh: fetches it again, swaps <main>, keeps focus, open details and scroll. Without it the page reloads.
"use strict";
(() => {
  const EVERY_MS = 3000;
  const parser = new DOMParser();
  let last = "";
  const busy = () => document.hidden || !document.getSelection().isCollapsed;

  function swap(text) {
    const next = parser.parseFromString(text, "text/html").getElementById("main");
    const main = document.getElementById("main");
    if (!next || next.innerHTML === last) return;
    last = next.innerHTML;
    const focus = document.activeElement;
    const mark = focus && main.contains(focus) && (focus.id ? "#" + CSS.escape(focus.id) : focus.getAttribute("href") && `a[href="${CSS.escape(focus.getAttribute("href"))}"]`);
    const scrolls = [...main.querySelectorAll(".scroll")].map((box) => box.scrollLeft);
    main.replaceChildren(...next.childNodes);
    main.querySelectorAll(".scroll").forEach((box, i) => { box.scrollLeft = scrolls[i] || 0; });
    if (mark) main.querySelector(mark)?.focus({ preventScroll: true });
  }

  async function look() {
    if (!busy()) {
      try {
        const answer = await fetch(location.href, { redirect: "error", signal: AbortSignal.timeout(EVERY_MS) });
        document.body.classList.toggle("lost", !answer.ok);
        if (answer.ok) swap(await answer.text());
      } catch {
        document.body.classList.add("lost");
      }
    }
    setTimeout(look, EVERY_MS);
  }
  setTimeout(look, EVERY_MS);
})();
