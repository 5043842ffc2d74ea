/** The line that adds all money up, as the reconciliation says it: nothing here is computed by the page. */
import { html } from "../vendor/lit-html/lit-html.js";
import { amount } from "../text/formats.js";
import { flash } from "./flash.js";
import { ICONS } from "./icons.js";

export function totalsView({ reconciliation }) {
  if (!reconciliation) return html`<p class="verdict">${ICONS.running}<span class="word">Adding up…</span></p>`;
  const { balanced, currencies } = reconciliation;
  return html`
    <p class="verdict" data-balanced=${balanced}>
      ${balanced ? ICONS.done : ICONS.failed}
      <span class="word">${balanced ? "Adds up" : "Doesn't add up"}</span>
    </p>
    <ul class="sums" role="list">
      ${currencies.map(sumView)}
    </ul>`;
}

const sumView = (totals) => html`
  <li class="sum" data-currency=${totals.currency} data-zero=${isZero(totals.sum)}>
    ${term("balances", totals.balances)}<span class="sign">+</span>${term("held", totals.held)}<span class="sign">+</span
    >${term("in transit", totals.in_transit)}<span class="sign">=</span>${term(totals.currency, totals.sum, "result")}
  </li>`;

const term = (label, decimal, kind = "") => html`
  <span class="term ${kind}"><span class="label">${label}</span> <span class="number" ${flash(decimal)}>${amount(decimal)}</span></span>`;

const isZero = (decimal) => !/[1-9]/.test(decimal);
