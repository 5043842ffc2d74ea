/** A lit-html directive that lets an element light up for a moment when its value has changed, so that money is seen to move. */
import { Directive, directive } from "../vendor/lit-html/directive.js";
import { noChange } from "../vendor/lit-html/lit-html.js";

const MILLISECONDS = 1200;

class Flash extends Directive {
  #value;

  render() {
    return noChange;
  }

  update(part, [value]) {
    const hasChanged = this.#value !== undefined && this.#value !== value;
    this.#value = value;
    if (hasChanged && !matchMedia("(prefers-reduced-motion: reduce)").matches) {
      const colour = getComputedStyle(part.element).getPropertyValue("--flash");
      part.element.animate({ backgroundColor: [colour, "transparent"] }, MILLISECONDS);
    }
    return noChange;
  }
}

export const flash = directive(Flash);
