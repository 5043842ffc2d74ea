/** A lit-html directive that sets an element's CSS variables: the policy forbids style attributes, not this. */
import { Directive, directive } from "../vendor/lit-html/directive.js";
import { noChange } from "../vendor/lit-html/lit-html.js";

class CssVariables extends Directive {
  render() {
    return noChange;
  }

  update(part, [variables]) {
    for (const [name, value] of Object.entries(variables)) part.element.style.setProperty(name, value);
    return noChange;
  }
}

export const cssVariables = directive(CssVariables);
