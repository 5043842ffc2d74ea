/** The page's one state: whoever changes it says so here, and the page is drawn again with the next frame. */
export class Store {
  #draw = () => {};
  #isDue = false;

  constructor(state) {
    this.state = state;
  }

  onChange(draw) {
    this.#draw = draw;
    this.changed();
  }

  update(changes) {
    Object.assign(this.state, changes);
    this.changed();
  }

  changed() {
    if (this.#isDue) return;
    this.#isDue = true;
    requestAnimationFrame(() => {
      this.#isDue = false;
      this.#draw(this.state);
    });
  }
}
