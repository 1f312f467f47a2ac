// SPDX-License-Identifier: MIT
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { heard, publish, scenario } from './harness.mjs';

const texts = (count, prefix = 'm') => Array.from({ length: count }, (_, i) => `${prefix}${i + 1}`);

scenario('the reply to a first join tells the room, the state and the server', {}, async (server) => {
    const client = await server.connect();
    const joined = await client.join('live', { user: 'alice' });
    assert.equal(joined.room, 'live');
    assert.equal(joined.user, 'alice');
    assert.equal(joined.name, 'alice', 'the name is the id when not given');
    assert.equal(joined.role, 'host', 'the first to enter a new room on loopback is its host');
    assert.equal(typeof joined.connection, 'string');
    assert.equal(typeof joined.epoch, 'string');
    assert.equal(joined.seq, 0);
    assert.deepEqual(joined.online, { users: 1, connections: 1 });
    assert.equal(joined.was_recovering, false);
    assert.equal(joined.recovered, false);
    assert.deepEqual(joined.history, []);
    assert.deepEqual(joined.state, { slow_mode: 0, mute_all: false, unique: false, locked: false, likes: 0 });
    assert.equal('from' in joined, false);
    assert.equal('key' in joined, false, 'guest names are open on loopback');

    const { server: about } = joined;
    assert.equal(about.protocol, 1);
    assert.equal(typeof about.version, 'string');
    assert.equal(about.auth, 'guest');
    assert.equal(about.membership, 'one_room_per_user');
    assert.equal(about.others, 'evict');
    assert.equal(about.ping_ms, 25_000);
    assert.equal(about.grace_ms, 3_000);
    assert.equal(typeof about.limits, 'object');
    const { status, ...info } = await server.json('/api/info');
    assert.equal(status, 200);
    assert.deepEqual(info, about, '/api/info holds the same');
});

scenario('only the first joined of a connection describes the server', {}, async (server) => {
    const client = await server.connect('a', 'alice');
    const second = await client.join('b');
    assert.equal('server' in second, false);
    assert.equal(second.connection, client.first.connection, 'a connection keeps its id');
});

scenario('whoever comes after the first is a viewer, and connections have ids of their own', {}, async (server) => {
    const alice = await server.connect('live', 'alice');
    const bob = await server.connect('live', 'bob', { name: 'Bobby' });
    assert.equal(bob.first.role, 'viewer');
    assert.equal(bob.first.name, 'Bobby');
    assert.deepEqual(bob.first.online, { users: 2, connections: 2 });
    assert.notEqual(bob.first.connection, alice.first.connection);
    assert.equal(bob.first.epoch, alice.first.epoch);
});

scenario('the host stays host while the room lives, absent or not', {}, async (server) => {
    const alice = await server.connect('live', 'alice');
    const bob = await server.connect('live', 'bob');
    await alice.request('leave', { room: 'live' });
    assert.equal((await bob.join('live')).role, 'viewer', 'nobody inherits the role');
    assert.equal((await server.connect('live', 'carol')).first.role, 'viewer');
    assert.equal((await alice.join('live')).role, 'host');
});

scenario('a second device raises connections and not users', {}, async (server) => {
    await server.connect('live', 'alice');
    const phone = await server.connect('live', 'alice');
    assert.deepEqual(phone.first.online, { users: 1, connections: 2 });
    assert.equal(phone.first.role, 'host', 'a role belongs to the user');
    assert.deepEqual(await server.counts('live'), { users: 1, connections: 2 });
});

scenario('a join to where one already is succeeds and changes nothing', {}, async (server) => {
    const alice = await server.connect('live', 'alice');
    await publish(alice, 'live', texts(3));
    const again = await alice.join('live', { user: 'alice', history: 50 });
    assert.deepEqual(again.history, [], 'nothing is told twice');
    assert.equal(again.seq, 3);
    assert.equal(again.role, 'host');
    assert.equal('from' in again, false);
    assert.deepEqual(again.online, { users: 1, connections: 1 });
    assert.deepEqual(await server.counts('live'), { users: 1, connections: 1 });
    await publish(alice, 'live', ['still here']);
    assert.deepEqual(heard(alice, 'live').at(-1), [4, 'alice', 'still here'], 'and once, not twice');
    assert.equal(heard(alice, 'live').length, 4);
});

scenario('a join to where one already is can ask for what it missed', {}, async (server) => {
    const alice = await server.connect('live', 'alice');
    await publish(alice, 'live', texts(5));
    const again = await alice.join('live', { since: { epoch: alice.first.epoch, seq: 2 } });
    assert.equal(again.recovered, true);
    assert.deepEqual(again.history.map((e) => e.text), ['m3', 'm4', 'm5']);
});

scenario('the first accepted join settles the user of a connection', {}, async (server) => {
    const client = await server.connect();
    const none = await client.refused('bad_field', 'join', { room: 'a' });
    assert.equal(none.field, 'user', 'no user ever');
    await client.join('a', { user: 'alice' });
    await client.refused('forbidden', 'join', { room: 'b', user: 'bob' });
    assert.deepEqual(await server.counts('a'), { users: 1, connections: 1 }, 'a refused join changes nothing');
    assert.equal(await server.counts('b'), undefined);
    assert.equal((await client.join('b')).user, 'alice', 'a later join may leave it out');
});

scenario('a refused first join does not settle the user', {}, async (server) => {
    const client = await server.connect();
    await client.refused('bad_field', 'join', { room: 'a', user: 'mallory', history: -1 });
    assert.equal((await client.join('a', { user: 'alice' })).user, 'alice');
});

scenario('a name stays until a later join brings another', {}, async (server) => {
    const client = await server.connect('a', 'alice', { name: 'Ally' });
    assert.equal((await client.join('b')).name, 'Ally');
    assert.equal((await client.join('c', { name: 'Liz' })).name, 'Liz');
    client.send('comment', { text: 'hello' });
    assert.equal((await client.next('comment')).name, 'Liz');
});

scenario('history gives the newest, oldest first, and no sender’s id', {}, async (server) => {
    const alice = await server.connect('live', 'alice');
    await publish(alice, 'live', texts(60));
    const bob = await server.connect('live', 'bob');
    assert.equal(bob.first.history.length, 50, 'fifty by default');
    assert.deepEqual(bob.first.history.map((e) => e.text), texts(60).slice(10));
    assert.equal(bob.first.recovered, false);
    for (const entry of bob.first.history) {
        assert.equal(entry.event, 'comment');
        assert.equal(entry.room, 'live');
        assert.equal(entry.user, 'alice');
        assert.equal(entry.role, 'host');
        assert.equal(entry.mode, 'scroll');
        assert.equal(typeof entry.ts, 'number');
        assert.equal('id' in entry, false);
    }
    const few = await server.connect('live', 'carol', { history: 3 });
    assert.deepEqual(few.first.history.map((e) => e.text), ['m58', 'm59', 'm60']);
    const none = await server.connect('live', 'dave', { history: 0 });
    assert.deepEqual(none.first.history, []);
    assert.equal(none.first.seq, 60);
    const all = await server.connect('live', 'erin', { history: 200 });
    assert.equal(all.first.history.length, 60);
});

scenario('since recovers exactly what was missed', {}, async (server) => {
    const alice = await server.connect('live', 'alice');
    const bob = await server.connect('live', 'bob');
    await publish(alice, 'live', texts(5));
    await bob.next('comment', (e) => e.seq === 5);
    bob.socket.terminate();
    await publish(alice, 'live', texts(10, 'missed'));
    const since = { epoch: bob.first.epoch, seq: 5 };
    const back = await server.connect('live', 'bob', { since, history: 2, resume: true });
    assert.equal(back.first.was_recovering, true);
    assert.equal(back.first.recovered, true);
    assert.deepEqual(back.first.history.map((e) => e.text), texts(10, 'missed'), 'since wins over history');
    const nothing = await server.connect('live', 'carol', { since: { epoch: bob.first.epoch, seq: 15 } });
    assert.equal(nothing.first.recovered, true, 'nothing missed is all of it');
    assert.deepEqual(nothing.first.history, []);
});

scenario('a position that cannot be recovered is answered honestly', { history: 10 }, async (server) => {
    const alice = await server.connect('live', 'alice');
    await publish(alice, 'live', texts(30));
    const { epoch } = alice.first;
    const rows = [
        ['the ring no longer reaches back', { epoch, seq: 5 }],
        ['another epoch', { epoch: 'another', seq: 25 }],
        ['a number above the room’s', { epoch, seq: 31 }],
    ];
    for (const [what, since] of rows) {
        const { first } = await server.connect('live', 'bob', { since });
        assert.equal(first.was_recovering, true, what);
        assert.equal(first.recovered, false, what);
        assert.deepEqual(first.history.map((e) => e.text), texts(30).slice(20), `${what}: the newest that fit`);
    }
    const edge = await server.connect('live', 'bob', { since: { epoch, seq: 20 } });
    assert.equal(edge.first.recovered, true, 'the ring reaches back just so far');
    assert.equal(edge.first.history.length, 10);
});

scenario('more than 256 KiB missed is not recovered, and the newest that fit are given', {}, async (server) => {
    const alice = await server.connect('live', 'alice');
    await publish(alice, 'live', texts(200).map((text) => text + '🎉'.repeat(450)));
    const { first } = await server.connect('live', 'bob', { since: { epoch: alice.first.epoch, seq: 0 } });
    assert.equal(first.recovered, false);
    const bytes = Buffer.byteLength(JSON.stringify(first.history));
    // Numbers and commas may come on top.
    assert.ok(bytes <= 256 * 1024 + 16 * first.history.length, `${bytes} bytes of history`);
    assert.ok(first.history.length > 50 && first.history.length < 200, `${first.history.length} entries`);
    assert.equal(first.history.at(-1).seq, 200);
});

scenario('a room that lingers keeps its numbers, its history and its host', { 'linger-ms': 60_000 }, async (server) => {
    const alice = await server.connect('live', 'alice');
    await publish(alice, 'live', texts(3));
    await alice.request('leave', { room: 'live' });
    assert.deepEqual(await server.counts('live'), { users: 0, connections: 0 }, 'listed with nobody in it');
    const bob = await server.connect('live', 'bob', { since: { epoch: alice.first.epoch, seq: 1 } });
    assert.equal(bob.first.recovered, true);
    assert.deepEqual(bob.first.history.map((e) => e.text), ['m2', 'm3']);
    assert.equal(bob.first.role, 'viewer');
    assert.equal((await alice.join('live')).role, 'host');
    await alice.request('leave', { room: 'live' });
    await bob.request('leave', { room: 'live' });
    const { rooms } = await server.json('/api/rooms');
    assert.deepEqual(rooms, [{ room: 'live', users: 0, connections: 0 }]);
});

scenario('a room that went with its last member begins anew', {}, async (server) => {
    const alice = await server.connect('live', 'alice');
    await publish(alice, 'live', texts(3));
    await alice.request('leave', { room: 'live' });
    assert.equal(await server.counts('live'), undefined);
    const bob = await server.connect('live', 'bob', { since: { epoch: alice.first.epoch, seq: 1 } });
    assert.notEqual(bob.first.epoch, alice.first.epoch);
    assert.equal(bob.first.recovered, false);
    assert.equal(bob.first.seq, 0);
    assert.equal(bob.first.role, 'host');
});

scenario('who joins a busy room sees no gap and no duplicate between history and live', {}, async (server) => {
    const publishers = await Promise.all(texts(3, 'p').map((user) => server.connect('live', user)));
    const { epoch } = publishers[0].first;
    const busy = Promise.all(publishers.map((client) => publish(client, 'live', texts(200))));
    const joiners = [];
    for (let i = 0; i < 20; ++i) {
        const asked = i % 2 ? { history: 200 } : { since: { epoch, seq: 0 } };
        joiners.push(await server.connect('live', `joiner${i}`, asked));
    }
    await busy;
    await publishers[0].reached('live', 600);
    const whole = heard(publishers[0], 'live');
    assert.equal(whole.length, 600);
    let live = 0;
    for (const joiner of joiners) {
        await joiner.reached('live', 600);
        const replayed = joiner.first.history.map((e) => [e.seq, e.user, e.text]);
        const seen = [...replayed, ...heard(joiner, 'live')];
        assert.deepEqual(seen, whole.slice(600 - seen.length), 'history, then live, as the others saw it');
        if (joiner.first.was_recovering) assert.equal(seen.length, 600);
        live += joiner.first.seq < 600;
    }
    assert.ok(live > 0, 'some joined while the room was busy');
});

scenario('replaces ends the user’s named connection when the join is accepted', {}, async (server) => {
    const old = await server.connect('live', 'alice');
    const bob = await server.connect('live', 'bob');
    const replaces = old.first.connection;
    const refused = await server.connect();
    await refused.refused('bad_field', 'join', { room: '', user: 'alice', replaces });
    await old.caught_up();
    const fresh = await server.connect('live', 'alice', { replaces });
    assert.deepEqual(fresh.first.online, { users: 2, connections: 2 });
    assert.equal((await old.close_of()).code, 1000);
    await server.connect('live', 'alice', { replaces: bob.first.connection });
    await bob.caught_up();
    assert.deepEqual(await server.counts('live'), { users: 2, connections: 3 }, 'another user’s is ignored');
    await server.connect('live', 'alice', { replaces: 'no-such-connection' });
    assert.deepEqual(await server.counts('live'), { users: 2, connections: 4 });
});

scenario('leave answers left, closes nothing, and says it for each room', { membership: 'many_rooms' }, async (server) => {
    const alice = await server.connect('a', 'alice');
    await alice.join('b');
    await alice.join('c');
    const one = await alice.request('leave', { room: 'a' });
    assert.equal(one.event, 'left');
    assert.equal(one.room, 'a');
    const none = await alice.request('leave', { room: 'nowhere' });
    assert.equal(none.event, 'left', 'where one is not as well');
    assert.equal(none.room, 'nowhere');
    alice.send('leave', { id: 'all' });
    const all = [await alice.next('left', (e) => e.id === 'all'), await alice.next('left', (e) => e.id === 'all')];
    assert.deepEqual(all.map((e) => e.room).sort(), ['b', 'c']);
    await alice.caught_up();
    assert.equal((await server.json('/api/rooms')).total, 0);
    await alice.join('a');
});

scenario('nothing of a room follows left', {}, async (server) => {
    const alice = await server.connect('live', 'alice');
    const bob = await server.connect('live', 'bob');
    const busy = publish(alice, 'live', texts(300));
    await bob.next('comment', (e) => e.seq === 50);
    await bob.request('leave');
    const before = heard(bob, 'live').length;
    await busy;
    await bob.caught_up();
    assert.equal(heard(bob, 'live').length, before);
});

scenario('presence follows joins and leaves within a second, at most one a second', {}, async (server) => {
    const alice = await server.connect('live', 'alice');
    const guests = [];
    for (let i = 0; i < 8; ++i) guests.push(await server.connect('live', `guest${i}`));
    const full = await alice.next('presence', (e) => e.users === 9);
    assert.equal(full.room, 'live');
    assert.equal(full.connections, 9);
    assert.ok(Math.abs(full.ts - Date.now()) < 60_000, 'in Unix milliseconds');
    const phone = await server.connect('live', 'guest0');
    const more = await alice.next('presence', (e) => e.connections === 10);
    assert.equal(more.users, 9);
    phone.socket.terminate();
    await alice.next('presence', (e) => e.connections === 9);
    const alone = alice.later('presence', (e) => e.users === 1 && e.connections === 1);
    for (const guest of guests) guest.socket.close();
    const left = Date.now();
    const last = await alone;
    assert.ok(last.ts - left < 2_000, `${last.ts - left} ms after the last change`);

    await delay(2_200);
    const at = alice.all('presence').map((e) => e.ts);
    assert.equal(at.at(-1), last.ts, 'and no more of it when nothing changes');
    assert.ok(at.length >= 4);
    for (let i = 1; i < at.length; ++i) {
        assert.ok(at[i] - at[i - 1] > 950, `two within ${at[i] - at[i - 1]} ms`);
    }
});
