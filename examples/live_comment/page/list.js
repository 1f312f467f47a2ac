// SPDX-License-Identifier: MIT
// What was said, line by line: comments, gifts, and quiet notes between them.
// Whatever others wrote is only ever set as textContent.

const MOST_LINES = 500;
const GIFTS = new Map([['rose', '🌹'], ['heart', '💝'], ['cake', '🎂'], ['crown', '👑'], ['rocket', '🚀']]);

/** A gift as people see it. */
export function gift_text({ gift, count = 1 }) {
  return `${GIFTS.get(gift) ?? '🎁'} ${gift}${count > 1 ? ` ×${count}` : ''}`;
}

function element(tag, className, text) {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

export class List {
  #element;
  #client;

  constructor(element, client) {
    this.#element = element;
    this.#client = client;
  }

  comment(message) {
    const what = element('span', 'what', message.text);
    if (message.color) what.style.color = message.color;
    this.#said(message, what);
  }

  gift(message) {
    this.#said(message, element('span', 'what', gift_text(message))).classList.add('gift');
  }

  note(text) {
    return this.#append(element('li', 'note', text));
  }

  /** A note that says how many of a kind; the same one as long as nothing comes after it. */
  tally(kind, count, words) {
    const last = this.#element.lastElementChild;
    const note = last?.dataset.tally === kind ? last : this.note('');
    note.dataset.tally = kind;
    note.dataset.count = Number(note.dataset.count ?? 0) + count;
    note.textContent = words(Number(note.dataset.count));
  }

  remove(seq) {
    this.#element.querySelector(`[data-seq="${Number(seq)}"]`)?.remove();
  }

  clear() {
    this.#element.replaceChildren();
  }

  /** Numbers begin anew: what is here keeps none by which it could be deleted. */
  renumber() {
    for (const line of this.#element.querySelectorAll('[data-seq]')) {
      delete line.dataset.seq;
      line.querySelector('.delete')?.remove();
    }
  }

  #said(message, what) {
    const own = message.user === this.#client.user;
    const line = element('li', own ? 'own' : '', '');
    line.dataset.seq = message.seq;
    line.dataset.user = message.user;
    line.append(element('span', 'who', message.name));
    if (message.role) line.append(element('span', 'badge', message.role));
    line.append(what);
    if (this.#client.role === 'host') {
      if (!own && !message.role) line.append(this.#kick_button(message));
      line.append(this.#delete_button(message));
    }
    return this.#append(line);
  }

  #append(line) {
    const list = this.#element;
    const follows = list.scrollTop + list.clientHeight >= list.scrollHeight - 40;
    list.append(line);
    while (list.children.length > MOST_LINES) list.firstElementChild.remove();
    if (follows) list.scrollTop = list.scrollHeight;
    return line;
  }

  #kick_button({ user, name }) {
    const button = this.#button('kick', 'Kick', `Remove ${name} from the room`, () => this.#client.kick(user));
    button.dataset.user = user;
    return button;
  }

  #delete_button({ seq }) {
    return this.#button('delete', '✕', 'Delete this', () => this.#client.erase(seq));
  }

  #button(className, text, title, act) {
    const button = element('button', className, text);
    button.type = 'button';
    button.title = title;
    button.setAttribute('aria-label', title);
    button.onclick = act;
    return button;
  }
}
