/** A button that keeps its place and the focus while it isn't allowed: it says so instead of vanishing. */
import { html, nothing } from "../vendor/lit-html/lit-html.js";

export const actionButton = ({ text, label = nothing, kind = "", isAllowed, onClick }) => html`
  <button type="button" class="small ${kind}" aria-label=${label} aria-disabled=${!isAllowed}
    @click=${() => isAllowed && onClick()}>${text}</button>`;
