// SPDX-License-Identifier: MIT
// The page: what one hears and does, by way of a Client. Whatever others wrote
// is only ever set as textContent.

import { Client } from './client.js';
import { Stage } from './stage.js';

const MOST_LINES = 500;
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
const [body, list, removed, status] = [document.body, by('list'), by('removed'), by('status')];
const client = new Client();
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

function line(className, ...parts) {
  const follows = list.scrollTop + list.clientHeight >= list.scrollHeight - 40;
  const item = document.createElement('li');
  item.className = className;
  item.append(...parts);
  list.append(item);
  while (list.children.length > MOST_LINES) list.firstChild.remove();
  if (follows) list.scrollTop = list.scrollHeight;
  return item;
}

function span(className, text) {
  const element = document.createElement('span');
  element.className = className;
  element.textContent = text;
  return element;
}

function kickButton(user, name) {
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'kick';
  button.dataset.user = user;
  button.textContent = 'Kick';
  button.title = `Remove ${name} from the room`;
  button.onclick = () => client.kick(user);
  return button;
}

function comment(message) {
  const own = message.user === client.user;
  const parts = [span('who', message.name), span('what', message.text)];
  if (message.color) parts[1].style.color = message.color;
  if (message.role) parts.splice(1, 0, span('badge', message.role));
  if (client.role === 'host' && !own && !message.role) parts.push(kickButton(message.user, message.name));
  const item = line(own ? 'own' : '', ...parts);
  item.dataset.seq = message.seq;
  item.dataset.user = message.user;
}

function note(text) {
  line('note', text);
}

client.addEventListener('state', ({ detail }) => {
  body.dataset.state = detail.state;
  const inside = detail.state === 'inside';
  by('text').disabled = by('send').disabled = !inside;
  status.textContent = detail.state === 'connecting' ? 'Connecting…'
    : detail.state === 'waiting' ? `Connection lost. Next try in ${(detail.wait / 1000).toFixed(1)} s` : '';
  if (!inside) by('viewers').textContent = '0';
});
client.addEventListener('joined', ({ detail }) => {
  removed.hidden = true;
  by('room').value = detail.room;
  by('where').textContent = `${detail.room} · ${detail.name}${detail.role === 'host' ? ' · host' : ''}`;
  by('viewers').textContent = detail.online.users;
  if (detail.anew) list.replaceChildren();
  if (detail.missed) note('Some comments in between are missing.');
  detail.history.forEach(comment);
});
client.addEventListener('comment', ({ detail }) => {
  comment(detail);
  stage.show({ ...detail, own: detail.user === client.user });
});
client.addEventListener('presence', ({ detail }) => {
  by('viewers').textContent = detail.users;
});
client.addEventListener('gap', ({ detail }) => {
  note(`${detail.dropped} comments came too fast for this connection.`);
});
client.addEventListener('problem', ({ detail }) => {
  const later = detail.retry_after_ms ? ` Try again in ${Math.ceil(detail.retry_after_ms / 1000)} s.` : '';
  note(detail.code === 'rate_limited' ? `You are too fast.${later}`
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
