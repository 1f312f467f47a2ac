// SPDX-License-Identifier: MIT
// Comments and gifts that fly over the stage, in lanes in which none runs into
// another, and hearts that rise from it.

const FLIGHT_MS = 8_000;
const STILL_MS = 4_500;
const RISE_MS = 2_200;
const MOST_AT_ONCE = 120;
const MOST_HEARTS = 30;

export class Stage {
  #element;
  #lanes = [];  // of scrolling ones: {entered, gone}, times of the last one's end
  #still = { top: [], bottom: [] };  // until when a place is taken
  #calm = matchMedia('(prefers-reduced-motion: reduce)');
  #flying = 0;
  #hearts = 0;
  #numbered = new Map();  // what takes that which can be deleted off the stage, by number

  constructor(element) {
    this.#element = element;
  }

  show({ seq, text, color, mode, own, gift }) {
    if (this.#flying >= MOST_AT_ONCE || document.hidden) return;
    const fly = document.createElement('div');
    fly.className = own ? 'fly own' : gift ? 'fly gift' : 'fly';
    fly.textContent = text;
    if (color) fly.style.color = color;
    this.#element.append(fly);
    ++this.#flying;
    const still = mode !== 'scroll' || this.#calm.matches;
    const animation = still ? this.#hold(fly, mode === 'bottom' ? 'bottom' : 'top') : this.#cross(fly);
    const land = () => {
      animation.onfinish = null;
      fly.remove();
      --this.#flying;
      if (this.#numbered.get(seq) === land) this.#numbered.delete(seq);
    };
    animation.onfinish = land;
    this.#numbered.set(seq, land);
  }

  /** At once: an animation's own end is told with a frame, and a hidden page draws none. */
  remove(seq) {
    this.#numbered.get(seq)?.();
  }

  /** Numbers begin anew: what flies already can be deleted no more. */
  renumber() {
    this.#numbered.clear();
  }

  heart() {
    if (this.#hearts >= MOST_HEARTS || document.hidden || this.#calm.matches) return;
    const heart = document.createElement('div');
    heart.className = 'rising';
    heart.textContent = '♥';
    heart.style.right = `${4 + Math.random() * 12}%`;
    this.#element.append(heart);
    ++this.#hearts;
    const sway = (Math.random() - 0.5) * 80;
    const animation = heart.animate(
      [{ opacity: 0, transform: 'scale(.6)' }, { opacity: 1, offset: 0.15 },
        { opacity: 0, transform: `translate(${sway}px, -220px) scale(1.3)` }],
      { duration: RISE_MS, easing: 'ease-out' });
    animation.onfinish = () => {
      heart.remove();
      --this.#hearts;
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
