/** The steps on one time axis, to scale: down while it goes forward, up again while it is undone; red where a worker was gone. */
import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { shortDuration } from "../text/formats.js";
import { FORWARD, stateOf, stepOf } from "../text/steps.js";
import { now } from "../state/clock.js";
import { cssVariables } from "./css-variables.js";

/** `[length, distance between marks]`, times a power of ten. */
const SCALES = [[1, 0.2], [1.5, 0.5], [2, 0.5], [3, 1], [4, 1], [5, 1], [6, 2], [8, 2], [10, 2]];
const SHORTEST_MILLISECONDS = 20;

export function timeChart(transfer, gaps) {
  const begin = transfer ? Date.parse(transfer.created_at) : 0;
  const end = transfer ? Math.max(begin, Date.parse(transfer.finished_at ?? new Date(now()).toISOString())) : 0;
  const { length, marks } = scaleFor(end - begin);
  const place = (from, to) =>
    cssVariables({ "--from": clamp((from - begin) / length), "--length": clamp((to - Math.max(from, begin)) / length) });
  return html`
    <div class="chart" aria-hidden="true">
      ${FORWARD.map((name) => html`<span class="row-name" data-row=${name}>${name}</span>`)}
      <div class="plot">
        ${marks.map((mark) => html`<span class="mark" ${cssVariables({ "--from": mark / length })}>${markText(transfer, mark)}</span>`)}
        ${transfer ? gapsBetween(gaps, transfer, begin, end).map((gap) => gapView(gap, end, place)) : nothing}
        ${transfer ? transfer.steps.map((step) => barView(step, transfer, end, place)) : nothing}
      </div>
    </div>`;
}

function markText(transfer, mark) {
  if (!transfer) return mark === 0 ? html`<span>time, to scale</span>` : nothing;
  return html`<span>${mark === 0 ? "0" : shortDuration(mark)}</span>`;
}

function barView(step, transfer, end, place) {
  if (!step.started_at) return nothing;
  const to = step.finished_at ? Date.parse(step.finished_at) : end;
  return html`<span class="bar" data-row=${step.name.replace("_compensation", "")} data-kind=${step.kind}
    data-state=${stateOf(step.name, transfer)} ${place(Date.parse(step.started_at), to)}></span>`;
}

const gapView = (gap, end, place) => html`
  <span class="gap" ${place(gap.began, gap.ended ?? end)}></span>`;

function gapsBetween(gaps, transfer, begin, end) {
  return Object.entries(gaps)
    .flatMap(([process, known]) => known.map((gap) => sinceLastSeen(process, gap, transfer)))
    .filter((gap) => gap.began < end && (gap.ended ?? end) > begin);
}

/** A gap begins with the last heartbeat, but this transfer may have seen its worker at work after that. */
function sinceLastSeen(process, { began, ended }, transfer) {
  const signs = transfer.steps
    .filter((step) => step.worker?.startsWith(`${process}@`))
    .flatMap((step) => [step.started_at, step.status === "done" ? step.finished_at : null])
    .map((moment) => Date.parse(moment ?? ""))
    .filter((moment) => moment < (ended ?? Infinity));
  return { began: Math.max(began, ...signs), ended };
}

/** Grows in leaps, so that bars stay where they are most of the time. */
function scaleFor(milliseconds) {
  const needed = Math.max(milliseconds, SHORTEST_MILLISECONDS);
  const power = 10 ** Math.floor(Math.log10(needed));
  const [factor, distance] = SCALES.find(([candidate]) => candidate * power >= needed);
  const marks = Array.from({ length: Math.ceil(factor / distance) }, (_, index) => index * distance * power);
  return { length: factor * power, marks };
}

const clamp = (share) => Math.min(1, Math.max(0, share));
