/** The form of a transfer, the API's own errors at its fields, and the same order as a `curl` command. */
import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { curlOf } from "../text/curl.js";
import { SCENARIOS } from "../text/scenarios.js";
import { FIRST_ORDER } from "../state/sending.js";
import { copyButton } from "./copy-button.js";
import { ICONS } from "./icons.js";

const FIELDS = ["source_account", "destination_account", "amount", "currency", "reference", "scenario"];

export function sendView({ send, settings, accounts }, sending) {
  const errors = errorsByField(send.problem);
  const submit = (event) => {
    event.preventDefault();
    sending.send();
  };
  return html`
    <form novalidate @submit=${submit} @input=${(event) => sending.change(read(event.currentTarget))}>
      <div class="fields">
        ${field("source_account", "From", errors, { list: "account-ids", autocomplete: "off" })}
        ${field("destination_account", "To", errors, { list: "account-ids", autocomplete: "off" })}
        ${field("amount", "Amount", errors, { inputmode: "decimal", autocomplete: "off" })}
        ${field("currency", "Currency", errors, { list: "currencies", autocomplete: "off" })}
        ${field("reference", "Reference", errors, { autocomplete: "off", hint: "optional" })}
      </div>
      ${settings?.demo_faults ? scenarioChoice(errors) : nothing}
      <p class="problem" role="alert">${messageOf(send.problem)}</p>
      <button type="submit" class="primary" aria-disabled=${send.isUnderWay}>
        ${send.isUnderWay ? "Sending…" : "Send"}
      </button>
    </form>
    <div class="curl">
      <h3>The same with curl ${copyButton(curlOf(send.order), "the curl command")}</h3>
      <pre tabindex="0" aria-label="curl command"><code>${curlOf(send.order)}</code></pre>
    </div>
    <datalist id="account-ids">${spendable(accounts).map((account) => html`<option value=${account.id}></option>`)}</datalist>
    <datalist id="currencies">
      ${[...new Set(["EUR", ...spendable(accounts).map((account) => account.currency)])].map(
        (currency) => html`<option value=${currency}></option>`,
      )}
    </datalist>`;
}

/** Brings the reader to what is wrong first. */
export function focusFirstError(root, problem) {
  const first = FIELDS.find((name) => errorsByField(problem)[name]);
  if (first) root.querySelector(`[name="${first}"]`)?.focus();
}

const field = (name, label, errors, { hint, list = nothing, inputmode = nothing, autocomplete }) => html`
  <div class="field" data-field=${name}>
    <label for=${name}>${label}</label>${hint ? html`<span class="hint">${hint}</span>` : nothing}
    <input id=${name} name=${name} value=${FIRST_ORDER[name]} list=${list} inputmode=${inputmode}
      autocomplete=${autocomplete} autocapitalize="off" spellcheck="false"
      aria-invalid=${errors[name] ? "true" : "false"} aria-describedby="${name}-error">
    <p class="error" id="${name}-error">${errors[name] ?? ""}</p>
  </div>`;

const scenarioChoice = (errors) => html`
  <fieldset class="scenarios" aria-describedby="scenario-error">
    <legend>Scenario</legend>
    ${SCENARIOS.map(
      ({ name, title, says }) => html`
        <label class="scenario">
          <input type="radio" name="scenario" value=${name} ?checked=${name === FIRST_ORDER.scenario}>
          <span class="scenario-name">${title}</span> <span class="says">${says}</span>
        </label>`,
    )}
    <p class="error" id="scenario-error">${errors.scenario ?? ""}</p>
  </fieldset>`;

function read(form) {
  const data = new FormData(form);
  return Object.fromEntries(FIELDS.map((name) => [name, data.get(name) ?? ""]));
}

const errorsByField = (problem) =>
  Object.fromEntries((problem?.errors ?? []).map(({ field: name, detail }) => [name, detail]));

/** What no field can show; of a field's error only a word for those who don't see it. */
function messageOf(problem) {
  if (!problem) return "";
  if (problem.errors.some(({ field: name }) => FIELDS.includes(name))) return "Not sent: see the marked fields.";
  const advice = problem.isUnanswered ? " Send it again: the same order with the same key is the same transfer." : "";
  return html`${ICONS.failed}<span>${problem.detail}${advice}</span>`;
}

const spendable = (accounts) =>
  (accounts?.items ?? []).filter((account) => account.status === "open" && !account.id.startsWith("treasury-"));
