/** What needs an operator: nothing where all is well, else one line that opens into what, why, since when, what to do. */
import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { now } from "../state/clock.js";
import { adviceOn, countsText, nameOf } from "../text/attention.js";
import { count, duration, time } from "../text/formats.js";
import { actionButton } from "./action-button.js";
import { ICONS } from "./icons.js";

export function attentionView({ attention, retries }, actions) {
  if (!attention?.items.length) return nothing;
  const total = Object.values(attention.counts).reduce((sum, number) => sum + number, 0);
  const more = total - attention.items.length;
  return html`
    <details>
      <summary>
        ${ICONS.attention}Needs attention: <span class="counts" role="status">${countsText(attention.counts)}</span>
      </summary>
      <div class="scroller" tabindex="0" role="region" aria-label="What needs attention">
        <ul role="list">
          ${attention.items.map((item) => itemView(item, retries[item.transfer_id], actions))}
        </ul>
        ${more > 0 ? html`<p class="empty">And ${count(more)} more: <code>GET /attention</code></p>` : nothing}
      </div>
    </details>`;
}

const itemView = (item, retry, actions) => html`
  <li data-kind=${item.kind}>
    <p>
      <span class="kind">${nameOf(item.kind)}</span>
      ${item.transfer_id ? transferLink(item.transfer_id) : item.process ? html`<b>${item.process}</b>` : nothing}
      <span class="hint">${item.since ? `since ${time(item.since)} (${duration(now() - Date.parse(item.since))})` : ""}</span>
    </p>
    <p>${item.detail}</p>
    <p class="hint">${adviceOn(item.kind)} <code>${item.runbook}</code></p>
    ${retry?.problem ? html`<p class="problem">${retry.problem.explanation}</p>` : nothing}
    ${item.kind === "parked" ? retryButton(item.transfer_id, retry, actions) : nothing}
  </li>`;

const transferLink = (id) => html`<a href=${`#transfer=${id}`} aria-label=${`Follow transfer ${id}`}><code>${id}</code></a>`;

const retryButton = (id, retry, actions) =>
  actionButton({
    text: retry?.isUnderWay ? "Asked" : "Retry",
    label: retry?.isUnderWay ? `Transfer ${id} is asked to retry` : `Retry transfer ${id}`,
    kind: "primary",
    isAllowed: !retry?.isUnderWay,
    onClick: () => actions.retry(id),
  });
