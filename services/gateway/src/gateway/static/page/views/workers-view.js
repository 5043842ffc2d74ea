/** The processes: each worker alive or gone since when, its backlog, the last gap, and how to kill it. */
import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { count, duration, time } from "../text/formats.js";
import { now } from "../state/clock.js";
import { actionButton } from "./action-button.js";
import { copyButton } from "./copy-button.js";
import { cssVariables } from "./css-variables.js";
import { ICONS } from "./icons.js";

const STRIP_MILLISECONDS = 5 * 60_000;

export function workersView({ workers, processes, settings, gaps, crashes }, actions) {
  if (!workers) return html`<p class="empty">Looking for workers…</p>`;
  return html`
    ${settings?.demo_faults
      ? html`<p class="explanation">Crash ends it at once, as <code>kill -9</code>; it restarts.</p>`
      : nothing}
    <ul class="workers" role="list">
      ${workers.map((group) => workerView(group, gaps[group.process] ?? [], { settings, crash: crashes[group.process], actions }))}
    </ul>
    ${processes ? processesView(processes) : nothing}`;
}

function workerView(group, gaps, { settings, crash, actions }) {
  const isGone = group.workers.length === 0;
  const command = (isGone ? settings?.start_command : settings?.kill_command)?.replace("{process}", group.process);
  return html`
    <li class="worker" data-process=${group.process} data-alive=${!isGone}>
      <h3>${isGone ? ICONS.failed : ICONS.done}<span>${group.process}</span></h3>
      ${settings?.demo_faults ? crashButton(group, crash, actions) : nothing}
      <p class="life">${isGone ? goneText(group) : aliveText(group)}</p>
      <p class="backlog" data-waiting=${Boolean(group.backlog)}>${backlogText(group.backlog)}</p>
      ${strip(gaps)}
      <p class="gap-text">${crash?.problem ? crash.problem.detail : gapText(gaps, group)}</p>
      <p class="command">${command ? html`<code>${command}</code>${copyButton(command, `the command for ${group.process}`)}` : nothing}</p>
    </li>`;
}

const crashButton = ({ process, workers }, crash, { crashes }) =>
  actionButton({
    text: crash?.isUnderWay ? "Crashing" : "Crash",
    label: `Crash ${process}`,
    kind: "danger",
    isAllowed: workers.length > 0 && !crash?.isUnderWay,
    onClick: () => crashes.crash(process),
  });

const aliveText = ({ workers }) =>
  html`<b>alive</b> <span>${workers.length > 1 ? `${count(workers.length)} processes: ` : "process "}${workers.map(({ pid }) => pid).join(", ")}</span>`;

const goneText = ({ gone_since: since }) =>
  since
    ? html`<b>gone</b> <span>since ${time(since)} (${duration(now() - Date.parse(since))})</span>`
    : html`<b>not there</b> <span>none has been seen yet</span>`;

function backlogText(backlog) {
  if (backlog === null) return "backlog not known";
  return backlog === 1 ? "1 task waits" : `${count(backlog)} tasks wait`;
}

function strip(gaps) {
  const begin = now() - STRIP_MILLISECONDS;
  const share = (moment) => Math.min(1, Math.max(0, (moment - begin) / STRIP_MILLISECONDS));
  const bar = ({ began, ended }) => {
    const [from, to] = [share(began), share(ended ?? now())];
    return html`<span class="gap" ${cssVariables({ "--from": from, "--length": to - from })}></span>`;
  };
  return html`<div class="strip" aria-hidden="true">${gaps.filter((gap) => (gap.ended ?? now()) > begin).map(bar)}</div>`;
}

function gapText(gaps, group) {
  const last = gaps.findLast((gap) => gap.ended !== null);
  if (!last) return group.workers.length > 0 ? "no gap seen" : "";
  return `was gone ${time(last.began)} – ${time(last.ended)} (${duration(last.ended - last.began)})`;
}

const processesView = (processes) => html`
  <h3 class="processes-title" id="processes">HTTP services</h3>
  <ul class="processes" role="list" aria-labelledby="processes">
    ${processes.map(
      ({ process, ready, gone_since: since }) => html`
        <li data-process=${process} data-ready=${ready}>
          ${ready ? ICONS.done : ICONS.failed}<span>${process}</span>
          <span class=${ready ? "unseen" : "since"}>${ready ? "ready" : since ? `gone since ${time(since)}` : "gone"}</span>
        </li>`,
    )}
  </ul>`;
