/** The page's few icons, drawn for 16 pixels; each stands beside a word that says the same. */
import { html } from "../vendor/lit-html/lit-html.js";

export const ICONS = {
  pending: html`<svg class="icon" viewBox="0 0 16 16" aria-hidden="true"><circle cx="8" cy="8" r="5.5" stroke-dasharray="2 2.3" /></svg>`,
  unneeded: html`<svg class="icon" viewBox="0 0 16 16" aria-hidden="true"><path d="M4.5 8h7" /></svg>`,
  running: html`<svg class="icon turning" viewBox="0 0 16 16" aria-hidden="true"><circle cx="8" cy="8" r="5.5" opacity=".25" /><path d="M8 2.5a5.5 5.5 0 0 1 5.5 5.5" /></svg>`,
  waiting: html`<svg class="icon" viewBox="0 0 16 16" aria-hidden="true"><path d="M4.5 2.5h7M4.5 13.5h7M5.5 2.5c0 3 5 3.5 5 5.5s-5 2.5-5 5.5M10.5 2.5c0 3-5 3.5-5 5.5s5 2.5 5 5.5" /></svg>`,
  retrying: html`<svg class="icon" viewBox="0 0 16 16" aria-hidden="true"><path d="M13 8a5 5 0 1 1-1.6-3.7M13 2.5v2.8h-2.8" /></svg>`,
  done: html`<svg class="icon" viewBox="0 0 16 16" aria-hidden="true"><path d="m3.5 8.5 3 3 6-7" /></svg>`,
  failed: html`<svg class="icon" viewBox="0 0 16 16" aria-hidden="true"><path d="m4 4 8 8M12 4l-8 8" /></svg>`,
  undone: html`<svg class="icon" viewBox="0 0 16 16" aria-hidden="true"><path d="M6 3 3 6l3 3M3 6h6a4 4 0 0 1 0 8H6" /></svg>`,
  attention: html`<svg class="icon" viewBox="0 0 16 16" aria-hidden="true"><path d="M8 2 1.8 13.5h12.4zM8 6.5v3.5M8 11.8v.2" /></svg>`,
  info: html`<svg class="icon" viewBox="0 0 16 16" aria-hidden="true"><circle cx="8" cy="8" r="6" /><path d="M8 7.5v3.5M8 5v.2" /></svg>`,
  outside: html`<svg class="icon" viewBox="0 0 16 16" aria-hidden="true"><path d="M6 3.5H3v9.5h9.5V10M9 3h4v4M13 3 7.5 8.5" /></svg>`,
};
