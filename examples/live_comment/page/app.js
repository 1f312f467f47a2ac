// SPDX-License-Identifier: MIT
// The page: what one hears and does, by way of a Client.

import { Client } from './client.js';
import { List, gift_text } from './list.js';
import { Stage } from './stage.js';

const MOST_HEARTS = 6;
const COLORS = ['', '#ffd166', '#7ee787', '#79c0ff', '#ff9bce', '#ff8f66'];
const REASONS = {
  1000: 'You were away for too long.',
  1001: 'The server has stopped.',
  1008: 'The server refused what this page sent.',
  4001: 'You were removed from the room by its host.',
  4002: 'You acted in a room without being in it.',
  4003: 'You entered another room elsewhere, so this one was left.',
  4004: 'You are connected with too many devices; this one made way.',
  4005: 'You are banned from this room.',
  4006: 'The room was closed.',
  4007: 'Your sign-in has expired.',
  room_full: 'The room is full.',
  room_closed: 'The room is closed.',
  too_many_rooms: 'There are too many rooms at the moment.',
  too_many_devices: 'You are connected with too many devices.',
  banned: 'You are banned from this room.',
  name_taken: 'Somebody else uses this name. Choose another.',
  bad_field: 'This room or name cannot be used.',
};

const by = (id) => document.getElementById(id);
const [body, removed, status] = [document.body, by('removed'), by('status')];
const client = new Client();
const list = new List(by('list'), client);
const stage = new Stage(by('stage'));
let color = '';

const guest = () => `guest-${Math.floor(1000 + Math.random() * 9000)}`;
const asked = new URLSearchParams(location.search);
by('room').value = asked.get('room') ?? 'lobby';
by('name').value = asked.get('name') ?? guest();

for (const value of COLORS) {
  const button = document.createElement('button');
  button.type = 'button';
  button.style.background = value || '#ffffff';
  button.setAttribute('role', 'radio');
  button.setAttribute('aria-label', value || 'white');
  button.setAttribute('aria-checked', String(value === color));
  button.onclick = () => {
    color = value;
    for (const other of by('colors').children) other.setAttribute('aria-checked', String(other === button));
  };
  by('colors').append(button);
}

by('entry').onsubmit = (event) => {
  event.preventDefault();
  removed.hidden = true;
  client.enter(by('room').value, by('name').value);
};
by('composer').onsubmit = (event) => {
  event.preventDefault();
  const text = by('text').value;
  if (!text.trim()) return;
  client.say(text, color, by('mode').value);
  by('text').value = '';
};
by('second').onclick = () => {
  const url = new URLSearchParams({ room: by('room').value, name: guest(), enter: '' });
  open(`/?${url}`, '_blank');
};

by('like').onclick = () => {
  client.like();
  stage.heart();
};

function offer_gifts() {
  by('gifts').replaceChildren(...client.gifts.map((gift) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.className = 'quiet';
    button.dataset.gift = gift;
    button.title = `Give a ${gift}`;
    button.setAttribute('aria-label', button.title);
    button.textContent = gift_text({ gift });
    button.onclick = () => client.give(gift);
    return button;
  }));
}

const listed = {
  comment: (message) => list.comment(message),
  gift: (message) => list.gift(message),
  deleted: ({ seq }) => list.remove(seq),
};

client.addEventListener('state', ({ detail }) => {
  body.dataset.state = detail.state;
  const inside = detail.state === 'inside';
  by('text').disabled = by('send').disabled = by('actions').disabled = !inside;
  status.textContent = detail.state === 'connecting' ? 'Connecting…'
    : detail.state === 'waiting' ? `Connection lost. Next try in ${(detail.wait / 1000).toFixed(1)} s` : '';
  if (!inside) by('viewers').textContent = '0';
});
client.addEventListener('joined', ({ detail }) => {
  removed.hidden = true;
  by('room').value = detail.room;
  by('where').textContent = `${detail.room} · ${detail.name}${detail.role === 'host' ? ' · host' : ''}`;
  by('viewers').textContent = detail.online.users;
  by('likes').textContent = detail.state.likes;
  offer_gifts();
  if (detail.anew) list.clear();
  if (detail.missed) list.note('Some comments in between are missing.');
  for (const entry of detail.history) listed[entry.event]?.(entry);
});
client.addEventListener('comment', ({ detail }) => {
  list.comment(detail);
  stage.show({ ...detail, own: detail.user === client.user });
});
client.addEventListener('gift', ({ detail }) => {
  list.gift(detail);
  stage.show({ seq: detail.seq, text: `${detail.name} ${gift_text(detail)}`, mode: 'scroll', gift: true });
});
client.addEventListener('like', ({ detail }) => {
  by('likes').textContent = detail.total;
  for (let i = 0; i < Math.min(detail.delta, MOST_HEARTS); ++i) stage.heart();
});
client.addEventListener('deleted', ({ detail }) => {
  list.remove(detail.seq);
  stage.remove(detail.seq);
});
client.addEventListener('reset', () => {
  list.renumber();
  stage.renumber();
});
client.addEventListener('presence', ({ detail }) => {
  by('viewers').textContent = detail.users;
});
client.addEventListener('gap', ({ detail }) => {
  list.tally('gap', detail.dropped, (count) => `${count} messages came too fast for this connection.`);
});
client.addEventListener('sampled', ({ detail }) => {
  list.tally('sampled', detail.left_out, (count) => `So much is said here that ${count} comments were left out.`);
});
client.addEventListener('problem', ({ detail }) => {
  const later = detail.retry_after_ms ? ` Try again in ${Math.ceil(detail.retry_after_ms / 1000)} s.` : '';
  list.note(detail.code === 'rate_limited' ? `Not done: that was too much at once.${later}`
    : detail.code === 'too_large' ? 'This comment is too long.'
    : `Not done: ${detail.message}.${later}`);
});
client.addEventListener('removed', ({ detail }) => {
  const words = REASONS[detail.code] ?? 'The connection was ended.';
  const said = detail.code === 4001 && detail.reason && detail.reason !== 'kicked' ? ` Reason: ${detail.reason}` : '';
  removed.textContent = `${words}${said}`;
  removed.dataset.code = detail.code;
  removed.hidden = false;
  by('where').textContent = '';
});

if (asked.has('enter')) by('entry').requestSubmit();
