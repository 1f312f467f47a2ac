// SPDX-License-Identifier: MIT
import assert from 'node:assert/strict';
import { heard, publish, scenario } from './harness.mjs';

scenario('a kick removes every device of the user at once and tells why', {}, async (server) => {
    const host = await server.connect('live', 'host');
    const laptop = await server.connect('live', 'bob');
    const phone = await server.connect('live', 'bob');
    await host.next('presence', (e) => e.users === 2 && e.connections === 3);
    const alone = host.later('presence', (e) => e.users === 1 && e.connections === 1);
    const ok = await host.accepted('kick', { user: 'bob', reason: 'spam' });
    assert.equal(ok.room, 'live');
    assert.deepEqual(await server.counts('live'), { users: 1, connections: 1 }, 'the counts are right at once');
    for (const device of [laptop, phone]) {
        await device.farewell({ code: 4001, reason: 'spam', reconnect: 'never', room: 'live' });
        assert.deepEqual(device.events.filter((e) => e.event !== 'presence').map((e) => e.event),
            ['joined', 'force_disconnect'], 'leave first, tell second, close last');
    }
    await alone;
});

scenario('a client that ignores force_disconnect is closed with the same code after the grace period',
    { 'grace-ms': 1_500 }, async (server) => {
        const host = await server.connect('live', 'host');
        const bob = await server.connect('live', 'bob');
        assert.equal(bob.first.server.grace_ms, 1_500);
        const asked = performance.now();
        await host.accepted('kick', { user: 'bob' });
        await bob.farewell({ code: 4001 });
        for (const text of ['still', 'talking']) bob.send('comment', { room: 'live', text, id: text });
        bob.send('join', { room: 'live', id: 'rejoin' });
        bob.text('{ not json');
        await bob.request('ping');
        assert.equal((await bob.close_of()).code, 4001);
        assert.ok(performance.now() - asked > 1_500, 'not before the grace period is over');
        assert.deepEqual(bob.events.slice(-2).map((e) => e.event), ['force_disconnect', 'pong'], 'the rest was dropped');
        await publish(host, 'live', ['fence']);
        assert.deepEqual(heard(host, 'live'), [[1, 'host', 'fence']]);
    });

scenario('no message follows the farewell of a member kicked out of a busy room', {}, async (server) => {
    const host = await server.connect('live', 'host');
    const publishers = [await server.connect('live', 'p1'), await server.connect('live', 'p2')];
    const targets = [];
    for (let i = 0; i < 6; ++i) targets.push(await server.connect('live', `target${i}`));
    const texts = Array.from({ length: 300 }, (_, i) => `t${i}`);
    const busy = Promise.all(publishers.map((client) => publish(client, 'live', texts)));
    for (const [i, target] of targets.entries()) {
        await target.next('comment', (e) => e.seq >= 40 * (i + 1));
        await host.accepted('kick', { user: `target${i}` });
    }
    await busy;
    await publish(publishers[0], 'live', ['fence']);
    await host.next('comment', (e) => e.text === 'fence');
    const whole = heard(host, 'live');
    assert.equal(whole.length, 601, 'the others missed nothing');
    for (const target of targets) {
        await target.farewell({ code: 4001 });
        await target.caught_up();
        const after = target.events.slice(target.events.findIndex((e) => e.event === 'force_disconnect') + 1);
        assert.deepEqual(after.map((e) => e.event), ['pong']);
        const seen = heard(target, 'live');
        assert.ok(seen.length < 601, 'kicked while the room was busy');
        assert.deepEqual(seen, whole.slice(0, seen.length), 'and up to then it saw all');
    }
});

scenario('a viewer cannot kick, and nobody can kick oneself', {}, async (server) => {
    const host = await server.connect('live', 'host');
    const bob = await server.connect('live', 'bob');
    const carol = await server.connect('live', 'carol');
    for (const user of ['carol', 'host', 'bob']) {
        const error = await bob.refused('forbidden', 'kick', { user });
        assert.equal(error.of, 'kick');
        assert.equal(error.room, 'live');
    }
    await host.refused('forbidden', 'kick', { user: 'host' });
    await publish(carol, 'live', ['all here']);
    assert.deepEqual(await server.counts('live'), { users: 3, connections: 3 });
});

scenario('a kick checks field, sender’s room, role, presence of the target, in this order', {}, async (server) => {
    const host = await server.connect('live', 'host');
    const viewer = await server.connect('live', 'viewer');
    await server.connect('other', 'stranger');
    for (const user of ['', 7, null, 'x'.repeat(129), 'a\u202eb']) {
        assert.equal((await viewer.refused('bad_field', 'kick', { user })).field, 'user', 'field before role');
    }
    assert.equal((await viewer.refused('bad_field', 'kick', {})).field, 'user');
    assert.equal((await host.refused('bad_field', 'kick', { room: 'other', user: 7 })).field, 'user', 'field before room');
    assert.equal((await viewer.refused('not_in_room', 'kick', { room: 'other', user: 'nobody' })).room, 'other');
    await viewer.refused('forbidden', 'kick', { user: 'nobody' });
    const absent = await host.refused('not_in_room', 'kick', { user: 'nobody' });
    assert.equal(absent.of, 'kick');
    await host.refused('not_in_room', 'kick', { user: 'stranger' });
    assert.deepEqual(await server.counts('other'), { users: 1, connections: 1 });
});

scenario('a reason has at most 120 bytes', {}, async (server) => {
    const host = await server.connect('live', 'host');
    const bob = await server.connect('live', 'bob');
    for (const reason of ['x'.repeat(121), '字'.repeat(41), 7, null]) {
        assert.equal((await host.refused('bad_field', 'kick', { user: 'bob', reason })).field, 'reason');
    }
    const reason = '字'.repeat(40);
    await host.accepted('kick', { user: 'bob', reason });
    await bob.farewell({ code: 4001, reason });
});

scenario('a kick is no ban: the user may come back, as a viewer', {}, async (server) => {
    const host = await server.connect('live', 'host');
    const bob = await server.connect('live', 'bob');
    await host.accepted('kick', { user: 'bob' });
    await bob.farewell({ code: 4001 });
    const back = await server.connect('live', 'bob');
    assert.equal(back.first.role, 'viewer');
    await host.accepted('kick', { user: 'bob' });
    await back.farewell({ code: 4001 });
});

scenario('a second kick of the same user finds nobody', {}, async (server) => {
    const host = await server.connect('live', 'host');
    await server.connect('live', 'bob');
    host.send('kick', { user: 'bob', id: 'one' });
    host.send('kick', { user: 'bob', id: 'two' });
    assert.equal((await host.next('ok', (e) => e.id === 'one')).of, 'kick');
    assert.equal((await host.next('error', (e) => e.id === 'two')).code, 'not_in_room');
});

scenario('one room per connection: a kick out of one room spares the user’s tabs elsewhere',
    { membership: 'one_room_per_connection' }, async (server) => {
        const host = await server.connect('live', 'host');
        const here = await server.connect('live', 'bob');
        const elsewhere = await server.connect('other', 'bob');
        await host.accepted('kick', { user: 'bob' });
        await here.farewell({ code: 4001, room: 'live' });
        await elsewhere.accepted('comment', { text: 'still here' });
    });

scenario('many rooms: a kick removes from one room, and the socket goes on', { membership: 'many_rooms' }, async (server) => {
    const host = await server.connect('a', 'host');
    const bob = await server.connect('a', 'bob');
    await bob.join('b');
    await host.accepted('kick', { user: 'bob', reason: 'not here' });
    const removed = await bob.next('removed');
    assert.equal(removed.room, 'a');
    assert.equal(removed.code, 4001);
    assert.equal(removed.reason, 'not here');
    assert.deepEqual(await server.counts('a'), { users: 1, connections: 1 });
    await bob.accepted('comment', { room: 'b', text: 'elsewhere' });
    await bob.refused('not_in_room', 'comment', { room: 'a', text: 'gone' });
    await publish(host, 'a', ['fence']);
    await bob.caught_up();
    assert.deepEqual(heard(bob, 'a'), []);
    assert.deepEqual(bob.all('force_disconnect'), []);
    assert.equal((await bob.join('a')).role, 'viewer');
});

scenario('many rooms: whoever is removed from the last room keeps the socket', { membership: 'many_rooms' }, async (server) => {
    const host = await server.connect('a', 'host');
    const bob = await server.connect('a', 'bob');
    await host.accepted('kick', { user: 'bob' });
    await bob.next('removed', (e) => e.room === 'a' && e.code === 4001);
    await bob.join('b');
    await bob.accepted('comment', { text: 'on' });
});
