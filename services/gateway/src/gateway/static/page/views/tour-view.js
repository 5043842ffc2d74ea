/** What to try, in the order in which it explains itself. */
import { html } from "../vendor/lit-html/lit-html.js";

export const tourView = (isOpen) => html`
  <details class="tour" ?open=${isOpen}>
    <summary>Five things to try</summary>
    <ol>
      <li>Press <b>Send</b>: four steps go down, and bob has the money.</li>
      <li><b>Ledger rejects</b>: the steps before it are undone, the last one first. The sum in the header stays zero.</li>
      <li><b>Slow</b>, then <b>Crash account-worker</b>: another attempt takes over, and nothing is paid twice.</li>
      <li><b>Slow</b>, then <b>Cancel transfer</b> before the point of no return.</li>
      <li><b>Compensation fails</b>: after half a minute it needs attention, and <b>Retry now</b> ends it.</li>
    </ol>
  </details>`;
