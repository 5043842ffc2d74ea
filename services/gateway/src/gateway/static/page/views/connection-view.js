/** Whether what the page shows is live: a word in the header, and a banner as long as it isn't. */
import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { time } from "../text/formats.js";
import { ICONS } from "./icons.js";

const WORDS = {
  connecting: ["running", "Connecting"],
  live: ["done", "Live"],
  late: ["attention", "Partly old"],
  lost: ["failed", "Disconnected"],
  paused: ["unneeded", "Paused"],
};

export function connectionView({ connection, interruption }) {
  const state = connection.state === "live" && interruption ? "late" : connection.state;
  const [icon, word] = WORDS[state];
  return html`<span class="connection" data-state=${state}>${ICONS[icon]}<span>${word}</span></span>`;
}

export function bannerView({ connection, interruption }, feed) {
  if (connection.state === "lost") {
    return html`
      <p class="banner bad">
        ${ICONS.failed}
        <span><strong>Connection lost</strong> at ${time(connection.lostAt)}. What you see is from then. Transfers go on
          without this page; it tries again by itself.</span>
        <button type="button" class="small" @click=${() => feed.retryNow()}>Try now</button>
      </p>`;
  }
  if (!interruption) return nothing;
  return html`
    <p class="banner wait">
      ${ICONS.attention}<span><strong>Part of this page is out of date.</strong> ${interruption}</span>
    </p>`;
}
