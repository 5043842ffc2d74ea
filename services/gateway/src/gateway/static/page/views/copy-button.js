/** A command and the button that copies it; where the clipboard is closed to the page, it selects the text instead. */
import { html } from "../vendor/lit-html/lit-html.js";

const SAID_FOR_MILLISECONDS = 1500;

export const copyButton = (text, label) => html`
  <button type="button" class="small copy" data-text=${text} aria-label=${`Copy ${label}`} @click=${copy}>Copy</button>`;

async function copy(event) {
  const button = event.currentTarget;
  let said = "Copied";
  try {
    await navigator.clipboard.writeText(button.dataset.text);
  } catch {
    selectBeside(button);
    said = "Selected";
  }
  button.dataset.said = said;
  setTimeout(() => delete button.dataset.said, SAID_FOR_MILLISECONDS);
}

/** The clipboard is there only on https and localhost. */
function selectBeside(button) {
  const code = button.closest(".curl, .command, .identity")?.querySelector("code");
  if (code) getSelection().selectAllChildren(code);
}
