/** The saga as two lanes: forward steps go down on the left, each one's compensation comes back up on its right. */
import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { duration, secondsUntil, time, workerParts } from "../text/formats.js";
import { isCommitted, isFinal } from "../text/statuses.js";
import {
  ATTEMPTS_BEFORE_THE_POINT_OF_NO_RETURN,
  COMPENSATIONS,
  effectOf,
  FORWARD,
  isRetriedWithoutEnd,
  orderOf,
  stateOf,
  stepOf,
  wordOf,
} from "../text/steps.js";
import { now } from "../state/clock.js";
import { ICONS } from "./icons.js";

const ICON_OF_STATE = { spare: ICONS.pending, unreached: ICONS.unneeded };

export function lanesView(transfer, order) {
  const places = orderOf(transfer);
  const cell = (name) => cellView(name, transfer, { place: places[name], effect: effectOf(name, transfer ?? order) });
  return html`
    <div class="lanes">
      <h3 class="lane-title forward" id="forward-lane">Forward, downwards</h3>
      <h3 class="lane-title undo" id="undo-lane">Undo, upwards: the last step first</h3>
      <ol class="lane forward" role="list" aria-labelledby="forward-lane">${FORWARD.map(cell)}</ol>
      <ol class="lane undo" role="list" aria-labelledby="undo-lane">${COMPENSATIONS.map(cell)}</ol>
      ${pointOfNoReturn(transfer)}
      <p class="no-undo">No undo down here: release is retried until it succeeds.</p>
    </div>`;
}

function cellView(name, transfer, { place, effect }) {
  const step = stepOf(name, transfer);
  const state = stateOf(name, transfer);
  return html`
    <li class="cell" data-step=${name} data-status=${step?.status ?? "pending"} data-state=${state}
      data-travelled=${isReachedFromBelow(name, transfer)}>
      <span class="node">${ICON_OF_STATE[state] ?? ICONS[state]}</span>
      <p class="step-name"><span class="place">${place ?? ""}</span><b>${breakable(name)}</b></p>
      <p class="state"><span class="word">${wordOf(state, step)}</span> <span class="took">${took(step)}</span></p>
      <p class="effect">${effect}</p>
      <p class="attempts">${attempts(step, state)}</p>
      <p class="error" title=${step?.error?.detail ?? nothing}>${step?.error ? errorText(step.error) : ""}</p>
    </li>`;
}

/** Whether the way up to this compensation has been gone: it and the one below it have started. */
function isReachedFromBelow(name, transfer) {
  const below = COMPENSATIONS[COMPENSATIONS.indexOf(name) - 1];
  return Boolean(below && stepOf(below, transfer) && stepOf(name, transfer));
}

/** Narrow lanes break the long names at their underscore. */
function breakable(name) {
  const [step, compensation] = name.split("_");
  return compensation ? html`${step}_<wbr>${compensation}` : step;
}

function took(step) {
  if (!step?.started_at) return "";
  return duration((step.finished_at ? Date.parse(step.finished_at) : now()) - Date.parse(step.started_at));
}

function attempts(step, state) {
  if (!step || step.attempts === 0) return "";
  const limit = isRetriedWithoutEnd(step.name) ? "" : ` of ${ATTEMPTS_BEFORE_THE_POINT_OF_NO_RETURN}`;
  const attempt = `attempt ${step.attempts}${limit}`;
  if (state === "retrying" && step.next_attempt_at) {
    const seconds = secondsUntil(step.next_attempt_at);
    return html`${attempt} <span class="countdown">${seconds > 0 ? `in ${seconds} s` : "any moment"}</span>`;
  }
  return html`${attempt}${step.worker ? workerText(step.worker) : nothing}`;
}

function workerText(identity) {
  const { process, pid } = workerParts(identity);
  return html`, <span class="by" title=${identity}>${process} ${pid}</span>`;
}

const errorText = ({ code, detail }) => html`<code>${code}</code> ${detail}`;

function pointOfNoReturn(transfer) {
  const passedAt = transfer && isCommitted(transfer) ? stepOf("record", transfer)?.finished_at : null;
  return html`
    <p class="point-of-no-return" data-passed=${Boolean(passedAt)}>
      <b>Point of no return</b>
      <span>${passedAt ? `passed ${time(passedAt)}: it completes, whatever happens` : beforeThePoint(transfer)}</span>
    </p>`;
}

function beforeThePoint(transfer) {
  if (transfer && isFinal(transfer)) return "never reached";
  return "above it, all can be undone; below it, it always completes";
}
