// SPDX-License-Identifier: MIT
import assert from 'node:assert/strict';
import { eventually, heard, publish, scenario } from './harness.mjs';

const GRACE_MS = 400;
const PER_CONNECTION = { membership: 'one_room_per_connection' };
const MANY = { membership: 'many_rooms' };
const FOLLOW = { others: 'follow' };

scenario('one room per user: a join elsewhere moves the asking connection', {}, async (server) => {
    const bob = await server.connect('a', 'bob');
    const alice = await server.connect('a', 'alice');
    const joined = await alice.join('b');
    assert.equal(joined.from, 'a');
    assert.deepEqual(joined.online, { users: 1, connections: 1 });
    assert.deepEqual(await server.counts('a'), { users: 1, connections: 1 });
    assert.deepEqual(await server.counts('b'), { users: 1, connections: 1 });
    await publish(bob, 'a', ['not for alice']);
    await alice.caught_up();
    assert.deepEqual(heard(alice, 'a'), []);
    await alice.accepted('comment', { text: 'here' });
    assert.equal((await alice.next('comment')).room, 'b', 'the last accepted join is meant');
});

scenario('evict: the user’s other connections hear where the user is now, and are closed after the grace period',
    { 'grace-ms': 1_500 }, async (server) => {
        const watcher = await server.connect('a', 'watcher');
        const laptop = await server.connect('a', 'alice');
        const phone = await server.connect();
        const asked = performance.now();
        const joined = await phone.join('b', { user: 'alice' });
        assert.equal(joined.from, 'a');
        await laptop.farewell({ code: 4003, reconnect: 'never', room: 'b' });
        assert.deepEqual(await server.counts('a'), { users: 1, connections: 1 }, 'out at once');
        assert.deepEqual(await server.counts('b'), { users: 1, connections: 1 });

        laptop.send('comment', { room: 'a', text: 'from the grave', id: 'dropped' });
        laptop.send('join', { room: 'a', user: 'alice', id: 'dropped too' });
        assert.equal((await laptop.request('ping')).event, 'pong', 'ping alone is answered');
        assert.equal((await laptop.close_of()).code, 4003);
        assert.ok(performance.now() - asked > 1_500, 'not before the grace period is over');
        assert.equal(laptop.events.at(-1).event, 'pong');
        assert.equal(laptop.events.some((e) => String(e.id).startsWith('dropped')), false);
        await publish(watcher, 'a', ['fence']);
        assert.deepEqual(heard(watcher, 'a'), [[1, 'watcher', 'fence']], 'what it sent was dropped');
    });

scenario('evict: a client that closes by itself after its farewell ends cleanly', {}, async (server) => {
    const laptop = await server.connect('a', 'alice');
    await server.connect('b', 'alice');
    await laptop.farewell({ code: 4003 });
    laptop.socket.close(1000);
    assert.ok([1000, 4003].includes((await laptop.close_of(2_000)).code), 'well before the grace period ends');
});

scenario('evict: all other devices go, whatever their number', { 'grace-ms': GRACE_MS }, async (server) => {
    const devices = [];
    for (let i = 0; i < 4; ++i) devices.push(await server.connect('a', 'alice'));
    await devices[2].join('b');
    for (const device of devices.filter((d) => d !== devices[2])) {
        await device.farewell({ code: 4003, room: 'b' });
        assert.equal((await device.close_of()).code, 4003);
    }
    assert.deepEqual(await server.counts('b'), { users: 1, connections: 1 });
    assert.equal(await server.counts('a'), undefined);
    await devices[2].caught_up();
});

scenario('follow: the other connections hear moved and at once joined', FOLLOW, async (server) => {
    const laptop = await server.connect('a', 'alice');
    const phone = await server.connect('a', 'alice');
    assert.equal(phone.first.server.others, 'follow');
    const joined = await phone.join('b', { history: 0 });
    assert.equal(joined.from, 'a');
    const moved = await laptop.next('moved');
    assert.deepEqual({ from: moved.from, to: moved.to }, { from: 'a', to: 'b' });
    const followed = await laptop.next('joined', (e) => e.room === 'b');
    assert.equal(followed.from, 'a');
    assert.equal(followed.user, 'alice');
    assert.equal('of' in followed, false, 'it asked for nothing');
    assert.equal('id' in followed, false);
    assert.equal('server' in followed, false);
    const log = laptop.events.filter((e) => e.event !== 'presence');
    assert.equal(log.indexOf(followed), log.indexOf(moved) + 1);
    assert.deepEqual(await server.counts('b'), { users: 1, connections: 2 });
    assert.equal(await server.counts('a'), undefined);

    const lost = await laptop.refused('not_in_room', 'comment', { text: 'where am I?' });
    assert.equal(lost.of, 'comment');
    await laptop.accepted('comment', { room: 'b', text: 'here' });
    await phone.next('comment', (e) => e.room === 'b' && e.text === 'here');
    await phone.accepted('comment', { text: 'the asking one needs no room' });
    await laptop.join('b');
    await laptop.accepted('comment', { text: 'after a join of its own neither' });
});

scenario('follow: a busy migration loses no message of the new room', FOLLOW, async (server) => {
    const texts = Array.from({ length: 300 }, (_, i) => `t${i}`);
    const [pa, pb] = [await server.connect('a', 'pa'), await server.connect('b', 'pb')];
    const devices = [];
    for (let i = 0; i < 3; ++i) devices.push(await server.connect('a', 'alice'));
    const busy = Promise.all([publish(pa, 'a', texts), publish(pb, 'b', texts)]);
    for (let i = 0; i < 10; ++i) await devices[i % 3].join(i % 2 ? 'a' : 'b');
    await devices[0].join('b');
    await busy;
    await publish(pb, 'b', ['fence']);
    for (const device of devices) {
        await device.next('comment', (e) => e.text === 'fence');
        assert.deepEqual(heard(device, 'b').at(-1), [301, 'pb', 'fence']);
    }
    assert.deepEqual(await server.counts('b'), { users: 2, connections: 4 });
});

scenario('resume never migrates', { 'grace-ms': GRACE_MS }, async (server) => {
    const phone = await server.connect('b', 'alice');
    const laptop = await server.connect();
    laptop.send('join', { room: 'a', user: 'alice', resume: true, id: 'wake' });
    await laptop.farewell({ code: 4003, reconnect: 'never', room: 'b' });
    assert.equal((await laptop.close_of()).code, 4003);
    assert.deepEqual(laptop.all('joined'), []);
    await phone.caught_up();
    assert.deepEqual(phone.all('force_disconnect'), []);
    assert.deepEqual(await server.counts('b'), { users: 1, connections: 1 });
    assert.equal(await server.counts('a'), undefined, 'the room asked for was not made');
    const back = await server.connect('b', 'alice', { resume: true });
    assert.equal(back.first.room, 'b', 'where the user is, or nobody is, it joins');
    assert.equal((await server.connect('a', 'bob', { resume: true })).first.room, 'a');
});

scenario('one room per connection: each tab has its own room', PER_CONNECTION, async (server) => {
    const one = await server.connect('a', 'alice');
    const two = await server.connect('a', 'alice');
    assert.equal(two.first.server.membership, 'one_room_per_connection');
    assert.equal((await two.join('b')).from, 'a');
    assert.deepEqual(await server.counts('a'), { users: 1, connections: 1 });
    assert.deepEqual(await server.counts('b'), { users: 1, connections: 1 });
    await one.accepted('comment', { text: 'in a' });
    await two.accepted('comment', { text: 'in b' });
    assert.equal((await one.next('comment')).room, 'a');
    assert.equal((await two.next('comment')).room, 'b');
    await one.caught_up();
    assert.deepEqual(heard(one, 'b'), []);
    assert.deepEqual(one.all('force_disconnect'), []);
});

scenario('many rooms: one socket is in all, and must say which', MANY, async (server) => {
    const alice = await server.connect('a', 'alice');
    await alice.accepted('comment', { text: 'the only room needs no name' });
    const second = await alice.join('b');
    assert.equal('from' in second, false);
    const unsaid = await alice.refused('bad_field', 'comment', { text: 'where?' });
    assert.equal(unsaid.field, 'room');
    await alice.accepted('comment', { room: 'a', text: 'to a' });
    await alice.accepted('comment', { room: 'b', text: 'to b' });
    const bob = await server.connect('b', 'bob');
    assert.deepEqual(bob.first.history.map((e) => e.text), ['to b']);
    assert.deepEqual(await server.counts('a'), { users: 1, connections: 1 });
    assert.deepEqual(await server.counts('b'), { users: 2, connections: 2 });
    alice.socket.close();
    await eventually(() => server.counts('b'), (c) => c.users === 1, 'after a close');
    assert.equal(await server.counts('a'), undefined, 'a gone socket is gone from all of them');
});

scenario('acting in a room where one is not is an error, and outside of all rooms then 4002',
    { 'grace-ms': GRACE_MS }, async (server) => {
        for (const [event, fields] of [['comment', { text: 'hi' }], ['kick', { user: 'bob' }]]) {
            const outsider = await server.connect();
            const { id, ...error } = await outsider.refused('not_in_room', event, { room: 'live', ...fields });
            assert.equal(error.of, event);
            assert.equal(error.room, 'live');
            outsider.send(event, { room: 'live', ...fields });
            await outsider.farewell({ code: 4002, reconnect: 'never', room: 'live' });
            assert.equal((await outsider.close_of()).code, 4002);
        }
    });

scenario('a field error is told first and does not count as acting outside', {}, async (server) => {
    const outsider = await server.connect();
    const room = 'live';
    for (let i = 0; i < 3; ++i) {
        assert.equal((await outsider.refused('bad_field', 'comment', { room, text: '' })).field, 'text');
    }
    await outsider.refused('not_in_room', 'comment', { room, text: 'hi' });
    await outsider.refused('bad_field', 'comment', { room, text: 7 });
    outsider.send('comment', { room, text: 'hi' });
    await outsider.farewell({ code: 4002 });
});

scenario('ping, leave and a refused join are not acting outside; an accepted join begins anew', {}, async (server) => {
    const client = await server.connect();
    const room = 'live';
    await client.refused('not_in_room', 'comment', { room, text: 'one' });
    await client.request('ping');
    await client.request('leave', { room });
    await client.refused('bad_field', 'join', { room: '', user: 'alice' });
    await client.join(room, { user: 'alice' });
    await client.request('leave', { room });
    await client.refused('not_in_room', 'comment', { text: 'the room of the last join is meant' });
    client.send('comment', { text: 'again' });
    await client.farewell({ code: 4002, room });
});

scenario('who is in some room hears not_in_room of others for as long as it likes', {}, async (server) => {
    const alice = await server.connect('a', 'alice');
    await server.connect('b', 'bob');
    for (let i = 0; i < 30; ++i) await alice.refused('not_in_room', 'comment', { room: 'b', text: 'hi' });
    await alice.accepted('comment', { room: 'a', text: 'at home' });
});
