/** The page's composition root: state, what changes it, and which part of the page shows what. */
import { render } from "./vendor/lit-html/lit-html.js";
import { get } from "./state/api.js";
import { BatchSending, NO_FILE } from "./state/batch-sending.js";
import { Crashes } from "./state/crashes.js";
import { Entries } from "./state/entries.js";
import { Feed } from "./state/feed.js";
import { MoreAccounts } from "./state/more-accounts.js";
import { Retries } from "./state/retries.js";
import { Selection } from "./state/selection.js";
import { FIRST_ORDER, Sending } from "./state/sending.js";
import { Store } from "./state/store.js";
import { TransferList } from "./state/transfer-list.js";
import { isFinal, STATUSES } from "./text/statuses.js";
import { announce } from "./views/announcements.js";
import { attentionView } from "./views/attention-view.js";
import { batchView } from "./views/batch-view.js";
import { bannerView, connectionView } from "./views/connection-view.js";
import { followView } from "./views/follow-view.js";
import { moneyView } from "./views/money-view.js";
import { focusFirstError, sendView } from "./views/send-view.js";
import { totalsView } from "./views/totals-view.js";
import { transfersView } from "./views/transfers-view.js";
import { workersView } from "./views/workers-view.js";

const TICK_MILLISECONDS = 200;
const PATIENCE_MILLISECONDS = 1000; // with the settings there from the start, nothing moves
const SETTINGS_AGAIN_MILLISECONDS = 5000;
const CALM_TICKS = 5; // without a running transfer only the seconds of what is gone move on
const place = (id) => document.getElementById(id);

const store = new Store({
  settings: null,
  connection: { state: "connecting", lostAt: null },
  interruption: null,
  transfers: null,
  accounts: null,
  moreAccounts: { items: [], next_cursor: null, problem: null },
  reconciliation: null,
  workers: null,
  processes: null,
  attention: null,
  retries: {},
  gaps: {},
  crashes: {},
  entries: null,
  followed: null,
  send: { order: FIRST_ORDER, isUnderWay: false, problem: null },
  batch: NO_FILE,
  list: { status: "", account: "", page: null, isOlder: false, problem: null },
});

const selection = new Selection(store, (transfer) => announce(place("announcements"), transfer));
const sending = new Sending(store, {
  onSent(transfer) {
    selection.open(transfer);
    announce(place("announcements"), transfer);
    bringIntoView(place("follow"));
  },
  onRefused: (problem) => requestAnimationFrame(() => focusFirstError(place("send"), problem)),
});
const batches = new BatchSending(store);
const entries = new Entries(store);
const moreAccounts = new MoreAccounts(store);
const list = new TransferList(store);
const crashes = new Crashes(store);
const retries = new Retries(store);
const feed = new Feed(store, {
  transfers(news) {
    list.onTransfers(news);
    entries.onTransfers(news);
  },
  accounts: (news) => entries.onAccounts(news),
  workers: (news, before) => crashes.onWorkers(news, before),
  attention: () => retries.onAttention(),
});

function draw(state) {
  render(totalsView(state), place("totals"));
  render(connectionView(state), place("connection"));
  render(bannerView(state, feed), place("banner"));
  render(sendView(state, sending), place("send-content"));
  render(followView(state, selection), place("follow-content"));
  render(moneyView(state, { entries, moreAccounts }), place("money-content"));
  render(workersView(state, { crashes }), place("workers-content"));
  render(batchView(state, batches), place("batch-content"));
  render(transfersView(state, list), place("transfers-content"));
  render(attentionView(state, retries), place("attention-content"));
  place("attention").hidden = !state.attention?.items.length;
  Object.assign(document.querySelector("main").dataset, { drawn: "", connection: state.connection.state });
  const transfer = state.followed?.transfer;
  document.title = transfer ? `${STATUSES[transfer.status]} – Transfer Saga` : "Transfer Saga";
}

/** On narrow screens what happens next stands further down. */
function bringIntoView(element) {
  if (element.getBoundingClientRect().top < innerHeight / 2) return;
  const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  element.scrollIntoView({ behavior: isCalm ? "instant" : "smooth" });
}

function tick(ticks) {
  const { transfer } = store.state.followed ?? {};
  const isRunning = transfer && !isFinal(transfer);
  if (isRunning || ticks % CALM_TICKS === 0) store.changed();
  setTimeout(() => tick(ticks + 1), TICK_MILLISECONDS);
}

/** Until they are there: no scenarios, no crash buttons, no links. */
async function askForSettings() {
  await get("/page-settings").then(
    (settings) => store.update({ settings }),
    () => setTimeout(askForSettings, SETTINGS_AGAIN_MILLISECONDS),
  );
}

async function start() {
  await Promise.race([askForSettings(), new Promise((resume) => setTimeout(resume, PATIENCE_MILLISECONDS))]);
  feed.open();
  selection.followAddress();
  batches.followAddress();
  store.onChange(draw);
  tick(0);
}

start();
