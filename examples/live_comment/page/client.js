// SPDX-License-Identifier: MIT
// A client of the live-comment protocol, version 1: one room, reconnects as
// the server wishes, and never through a kick. It tells what happens as
// events: `state` (connecting, inside, waiting, outside), `joined`, what comes
// of the room under the protocol's names, each numbered message once and in
// order, `removed`, `problem`.

const SILENCE_MS = 25_000;
const PONG_MS = 10_000;
const STEADY_MS = 60_000;
const TAPS_MS = 400;
const MOST_TAPS = 100;
const FINAL_CODES = new Set([1000, 1002, 1003, 1007, 1008, 1009]);
const RETRIED_ERRORS = new Set(['unavailable', 'shutting_down', 'rate_limited']);

function reconnectOf(code) {
  if (code >= 4000 && code < 4100) return 'never';
  if (code >= 4100 && code < 4200) return 'backoff';
  if (code >= 4200 && code < 4300) return 'now';
  return FINAL_CODES.has(code) ? 'never' : 'backoff';
}

export class Client extends EventTarget {
  #socket = null;
  #wanted = null;      // {room, user} while we want to be there
  #seen = null;        // {room, epoch, seq}: what the next join asks after
  #connection = null;  // our last connection's id
  #role = 'viewer';
  #gifts = [];
  #inside = false;
  #taps = 0;             // likes that were not sent yet
  #unsure = new Map();   // what was said and not answered yet, by id
  #said = 0;
  #farewell = null;
  #tries = 0;
  #attempt = null;  // timer of the next connection
  #silence = null;  // timer of the heartbeat
  #steady = null;   // timer after which we count as connected for good

  get role() { return this.#role; }
  get user() { return this.#wanted?.user; }
  /** What may be given. */
  get gifts() { return this.#gifts; }

  /** A person's wish, so it may move this user from elsewhere. */
  enter(room, user) {
    if (this.#wanted?.user !== user) this.#connection = null;
    if (this.#seen?.room !== room) this.#seen = null;
    this.#unsure.clear();
    this.#drop();
    this.#wanted = { room, user };
    this.#tries = 0;
    this.#connect(false);
  }

  say(text, color, mode) { this.#publish('comment', { text, color: color || undefined, mode }); }
  give(gift) { this.#publish('gift', { gift }); }
  kick(user) { this.#act('kick', { user }); }
  erase(seq) { this.#act('delete', { seq }); }

  /** As often as one taps; they go together. */
  like() {
    if (++this.#taps > 1) return;
    setTimeout(() => {
      this.#act('like', { count: Math.min(this.#taps, MOST_TAPS) });
      this.#taps = 0;
    }, TAPS_MS);
  }

  #tell(type, detail = {}) { this.dispatchEvent(new CustomEvent(type, { detail })); }

  #send(message) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  /** With an id, so that after a lost connection it can be said again, and is heard once. */
  #publish(event, fields) {
    if (!this.#inside) return;
    const id = `${this.#connection}-${++this.#said}`;
    this.#unsure.set(id, { event, fields: { id, ...fields } });
    this.#act(event, this.#unsure.get(id).fields);
  }

  /** Names the room: another device's join may have moved us there. */
  #act(event, fields) {
    if (this.#inside) this.#send({ event, room: this.#seen.room, ...fields });
  }

  #connect(resume) {
    this.#tell('state', { state: 'connecting' });
    this.#farewell = null;
    const socket = new WebSocket(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/ws`, 'roomcast.v1');
    this.#socket = socket;
    const current = (handle) => (event) => { if (this.#socket === socket) handle(event); };
    socket.onopen = current(() => this.#join(resume));
    socket.onmessage = current((event) => {
      this.#listen();
      this.#hear(JSON.parse(event.data));
    });
    socket.onclose = current((event) => this.#closed(event.code, event.reason));
    this.#listen();
  }

  #join(resume) {
    const { room, user } = this.#wanted;
    const key = sessionStorage.getItem(`key of ${user}`);
    this.#send({
      event: 'join', room, user,
      resume: resume || undefined,
      since: this.#seen ? { epoch: this.#seen.epoch, seq: this.#seen.seq } : undefined,
      replaces: this.#connection ?? undefined,
      key: key ?? undefined,
    });
  }

  /** Anything was heard: the next silence begins now. */
  #listen() {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => {
      this.#send({ event: 'ping' });
      this.#silence = setTimeout(() => this.#lost(), PONG_MS);
    }, SILENCE_MS);
  }

  /** The server is silent: its answer to our close may never come. */
  #lost() {
    const socket = this.#socket;
    this.#closed(1006, '');
    socket?.close();
  }

  #hear(message) {
    if (message.event === 'ok' || message.event === 'error') this.#unsure.delete(message.id);
    switch (message.event) {
      case 'joined': return this.#joined(message);
      case 'comment':
      case 'gift': return this.#is_next(message) && this.#tell(message.event, message);
      case 'presence':
      case 'like':
      case 'deleted':
      case 'sampled': return this.#is_here(message) && this.#tell(message.event, message);
      case 'gap':
        if (!this.#is_here(message)) return;
        this.#seen.seq = Math.max(this.#seen.seq, message.to);
        return this.#tell('gap', message);
      case 'reset':
        if (!this.#is_here(message)) return;
        this.#seen = { room: message.room, epoch: message.epoch, seq: message.seq };
        return this.#tell('reset', message);
      case 'error': return this.#refused(message);
      case 'removed':
        this.#wanted = null;
        this.#tell('removed', message);
        return this.#drop();
      case 'force_disconnect':
        this.#farewell = message;
        return this.#socket.close();
    }
  }

  #joined(message) {
    const same_room = this.#seen?.room === message.room;
    const goes_on = same_room && this.#seen.epoch === message.epoch;
    const last = goes_on ? this.#seen.seq : 0;
    this.#wanted.room = message.room;
    this.#connection = message.connection;
    this.#role = message.role;
    this.#gifts = message.server?.limits?.gifts ?? this.#gifts;
    this.#inside = true;
    this.#seen = { room: message.room, epoch: message.epoch, seq: message.seq };
    if (message.key) sessionStorage.setItem(`key of ${message.user}`, message.key);
    clearTimeout(this.#steady);
    this.#steady = setTimeout(() => { this.#tries = 0; }, STEADY_MS);
    this.#tell('state', { state: 'inside' });
    this.#tell('joined', {
      ...message, anew: !goes_on,
      missed: goes_on && message.was_recovering && !message.recovered,
      history: message.history.filter((entry) => entry.event === 'deleted' || entry.seq > last),
    });
    if (!same_room) this.#unsure.clear();
    for (const { event, fields } of this.#unsure.values()) this.#act(event, fields);
  }

  #is_here(message) {
    return this.#seen?.room === message.room;
  }

  #is_next(message) {
    if (!this.#is_here(message) || message.seq <= this.#seen.seq) return false;
    this.#seen.seq = message.seq;
    return true;
  }

  #refused(message) {
    if (message.of === 'join') {
      const reconnect = RETRIED_ERRORS.has(message.code) ? 'backoff' : 'never';
      this.#farewell = { ...message, reason: message.message, reconnect, refused: true };
      this.#socket.close();
    } else {
      this.#tell('problem', message);
    }
  }

  #closed(code, reason) {
    const farewell = this.#farewell ?? { code, reason, reconnect: reconnectOf(code) };
    this.#drop();
    if (!this.#wanted) return;
    if (farewell.reconnect === 'never') {
      this.#wanted = null;
      return this.#tell('removed', farewell);
    }
    const least = farewell.retry_after_ms ?? 0;
    const wait = farewell.reconnect === 'now'
      ? Math.random() * (farewell.retry_after_ms ?? 5_000)
      : Math.max(least, Math.random() * Math.min(30_000, 500 * 2 ** this.#tries++));
    this.#tell('state', { state: 'waiting', wait, code: farewell.code });
    this.#attempt = setTimeout(() => this.#connect(true), wait);
  }

  #drop() {
    clearTimeout(this.#attempt);
    clearTimeout(this.#silence);
    clearTimeout(this.#steady);
    const socket = this.#socket;
    this.#socket = null;
    this.#inside = false;
    socket?.close();
    this.#tell('state', { state: 'outside' });
  }
}
