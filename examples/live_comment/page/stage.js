// SPDX-License-Identifier: MIT
// Comments that fly over the stage: lanes in which none runs into another.

const FLIGHT_MS = 8_000;
const STILL_MS = 4_500;
const MOST_AT_ONCE = 120;

export class Stage {
  #element;
  #lanes = [];  // of scrolling ones: {entered, gone}, times of the last one's end
  #still = { top: [], bottom: [] };  // until when a place is taken
  #calm = matchMedia('(prefers-reduced-motion: reduce)');
  #flying = 0;

  constructor(element) {
    this.#element = element;
  }

  show({ text, color, mode, own }) {
    if (this.#flying >= MOST_AT_ONCE || document.hidden) return;
    const fly = document.createElement('div');
    fly.className = own ? 'fly own' : 'fly';
    fly.textContent = text;
    if (color) fly.style.color = color;
    this.#element.append(fly);
    ++this.#flying;
    const still = mode !== 'scroll' || this.#calm.matches;
    const animation = still ? this.#hold(fly, mode === 'bottom' ? 'bottom' : 'top') : this.#cross(fly);
    animation.onfinish = animation.oncancel = () => {
      fly.remove();
      --this.#flying;
    };
  }

  get #places() {
    const lane = parseFloat(getComputedStyle(this.#element).getPropertyValue('--lane'));
    return { lane, count: Math.max(1, Math.floor(this.#element.clientHeight / lane) - 1) };
  }

  #cross(fly) {
    const { lane, count } = this.#places;
    const width = this.#element.clientWidth;
    const own = fly.offsetWidth;
    const speed = (width + own) / FLIGHT_MS;
    const now = performance.now();
    // Free: the one before has wholly come in, and is gone when we would reach it.
    const free = (i) => {
      const last = this.#lanes[i];
      return !last || (last.entered <= now && last.gone <= now + width / speed);
    };
    let at = 0;
    while (at < count && !free(at)) ++at;
    if (at === count) {
      at = 0;
      for (let i = 1; i < count; ++i) if (this.#lanes[i].entered < this.#lanes[at].entered) at = i;
    }
    this.#lanes[at] = { entered: now + (own + 24) / speed, gone: now + FLIGHT_MS };
    fly.style.top = `${at * lane + 8}px`;
    return fly.animate(
      [{ transform: `translateX(${width}px)` }, { transform: `translateX(${-own}px)` }],
      { duration: FLIGHT_MS });
  }

  #hold(fly, edge) {
    const { lane, count } = this.#places;
    const taken = this.#still[edge];
    const now = performance.now();
    let at = 0;
    while (at < count - 1 && taken[at] > now) ++at;
    taken[at] = now + STILL_MS;
    fly.classList.add('still');
    fly.style[edge] = `${at * lane + (edge === 'top' ? 8 : 44)}px`;
    return fly.animate([{ opacity: 0 }, { opacity: 1, offset: 0.04 }, { opacity: 1, offset: 0.94 }, { opacity: 0 }],
      { duration: STILL_MS });
  }
}
