/** Runs in the page before its own scripts, and keeps what it shows with every change: however slow the machine,
 * a test that looks afterwards has missed nothing. In `window.seen`. */
(() => {
  const seen = {
    steps: {}, // by name: each state of its cell
    statuses: [],
    meanings: [], // each with whether the transfer could be cancelled then
    notices: [],
    connections: [],
    banners: [],
    workers: {}, // by process: each state of its row
    shifts: [], // of the layout, without those that an input explains
    violations: [], // of the content security policy
    events: [], // of the page's own streams of one transfer, with the time of their arrival
    usefulAfter: null, // milliseconds, until the form and the accounts were there
  };
  window.seen = seen;

  const text = (root, selector) => root.querySelector(selector)?.textContent.replace(/\s+/g, " ").trim() ?? "";

  function note(list, value) {
    if (JSON.stringify(list.at(-1)) !== JSON.stringify(value)) list.push(value);
  }

  function look() {
    for (const cell of document.querySelectorAll(".cell[data-step]")) {
      note((seen.steps[cell.dataset.step] ??= []), {
        state: cell.dataset.state,
        word: text(cell, ".word"),
        place: text(cell, ".place"),
        attempts: text(cell, ".attempts"),
        error: text(cell, ".error"),
      });
    }
    for (const row of document.querySelectorAll(".worker[data-process]")) {
      note((seen.workers[row.dataset.process] ??= []), {
        alive: row.dataset.alive === "true",
        gap: text(row, ".gap-text"),
      });
    }
    const badge = document.querySelector(".badge[data-status]");
    if (badge) {
      note(seen.statuses, badge.dataset.status);
      const cancel = document.querySelector(".actions button");
      note(seen.meanings, { text: text(document, "#follow .meaning"), canCancel: cancel?.ariaDisabled === "false" });
    }
    note(seen.notices, text(document, ".notice"));
    note(seen.connections, text(document, "#connection"));
    note(seen.banners, text(document, "#banner"));
    if (seen.usefulAfter === null && document.querySelector("#send form") && document.querySelector("tr[data-account]")) {
      seen.usefulAfter = performance.now();
    }
  }

  function movement({ node, previousRect: from, currentRect: to }) {
    const text = node?.textContent?.replace(/\s+/g, " ").trim().slice(0, 40);
    return `${node?.className || node?.nodeName} "${text}" (${from.x}, ${from.y}) -> (${to.x}, ${to.y})`;
  }

  new MutationObserver(look).observe(document, { subtree: true, childList: true, attributes: true, characterData: true });

  new PerformanceObserver((list) => {
    for (const { value, hadRecentInput, sources } of list.getEntries()) {
      if (hadRecentInput) continue;
      seen.shifts.push({ value, moved: sources.map(movement) });
    }
  }).observe({ type: "layout-shift", buffered: true });

  document.addEventListener("securitypolicyviolation", ({ effectiveDirective, blockedURI }) => {
    seen.violations.push({ directive: effectiveDirective, blocked: blockedURI });
  });

  const listen = EventSource.prototype.addEventListener;
  EventSource.prototype.addEventListener = function (name, handle, ...rest) {
    const kept = (event) => {
      if (name === "transfer") seen.events.push({ at: Date.now(), data: JSON.parse(event.data) });
      handle(event);
    };
    return listen.call(this, name, kept, ...rest);
  };
})();
