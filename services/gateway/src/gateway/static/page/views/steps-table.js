/** Every detail of every step, with errors in full length: what the lanes have no room for. */
import { html } from "../vendor/lit-html/lit-html.js";
import { duration, time } from "../text/formats.js";

const NOTHING_YET = "–";

export const stepsTable = (transfer) => html`
  <details>
    <summary>All details of its steps</summary>
    <div class="scroller" tabindex="0" role="region" aria-label="Details of the steps">
      <table>
        <thead>
          <tr>
            <th scope="col">Step</th><th scope="col">Status</th><th scope="col" class="number">Attempts</th>
            <th scope="col">Started</th><th scope="col" class="number">Took</th><th scope="col">Worker of its last attempt</th>
            <th scope="col">Last error</th>
          </tr>
        </thead>
        <tbody>${transfer.steps.map(rowView)}</tbody>
      </table>
    </div>
  </details>`;

const rowView = (step) => html`
  <tr>
    <th scope="row"><code>${step.name}</code></th>
    <td>${step.status}</td>
    <td class="number">${step.attempts}</td>
    <td>${step.started_at ? time(step.started_at) : NOTHING_YET}</td>
    <td class="number">${took(step)}</td>
    <td><code>${step.worker ?? NOTHING_YET}</code></td>
    <td class="wide">${step.error ? html`<code>${step.error.code}</code> ${step.error.detail}` : NOTHING_YET}</td>
  </tr>`;

const took = ({ started_at, finished_at }) =>
  finished_at ? duration(Date.parse(finished_at) - Date.parse(started_at)) : NOTHING_YET;
