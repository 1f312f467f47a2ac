// SPDX-License-Identifier: MIT
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { eventually, heard, publish, scenario } from './harness.mjs';

const GRACE_MS = 400;

scenario('devices newest: the user’s oldest connection makes way', { 'max-devices': 2, 'grace-ms': GRACE_MS }, async (server) => {
    const oldest = await server.connect('live', 'alice');
    const middle = await server.connect('live', 'alice');
    const bob = await server.connect('live', 'bob');
    const newest = await server.connect('live', 'alice');
    assert.deepEqual(newest.first.online, { users: 2, connections: 3 });
    await oldest.farewell({ code: 4004, reconnect: 'never', room: 'live' });
    assert.equal((await oldest.close_of()).code, 4004);
    for (const client of [middle, newest, bob]) await client.accepted('comment', { text: 'still here' });
});

scenario('devices refuse: the newcomer is refused, and nothing else changes',
    { 'max-devices': 2, devices: 'refuse' }, async (server) => {
        const clients = [await server.connect('live', 'alice'), await server.connect('live', 'alice')];
        const third = await server.connect();
        await third.refused('too_many_devices', 'join', { room: 'live', user: 'alice' });
        for (const client of clients) await client.accepted('comment', { text: 'still here' });
        await clients[0].join('live');
        clients[1].socket.close();
        await eventually(() => server.counts('live'), (c) => c.connections === 1, 'after a close');
        await third.join('live', { user: 'alice' });
    });

scenario('max-devices 0 is off', { 'max-devices': 0 }, async (server) => {
    for (let i = 0; i < 12; ++i) await server.connect('live', 'alice');
    assert.deepEqual(await server.counts('live'), { users: 1, connections: 12 });
});

scenario('eight devices by default', {}, async (server) => {
    const devices = [];
    for (let i = 0; i < 9; ++i) devices.push(await server.connect('live', 'alice'));
    await devices[0].farewell({ code: 4004 });
    assert.deepEqual(await server.counts('live'), { users: 1, connections: 8 });
});

scenario('comments are limited for a user across devices, and take no number when refused',
    { 'comment-rate': null }, async (server) => {
        const alice = await server.connect('live', 'alice');
        const phone = await server.connect('live', 'alice');
        const bob = await server.connect('live', 'bob');
        let accepted = 0;
        let refused;
        for (let i = 0; i < 10 && !refused; ++i) {
            const answer = await (i % 2 ? phone : alice).request('comment', { text: `t${i}` });
            if (answer.event === 'ok') ++accepted;
            else refused = answer;
        }
        assert.ok(accepted >= 5 && accepted <= 6, `a burst of five, not ${accepted}`);
        assert.equal(refused.code, 'rate_limited');
        assert.ok(refused.retry_after_ms > 0 && refused.retry_after_ms <= 1_000, JSON.stringify(refused));
        await bob.accepted('comment', { text: 'bob has his own' });
        await delay(refused.retry_after_ms);
        const ok = await alice.accepted('comment', { text: 'after the wait' });
        assert.equal(ok.seq, accepted + 2);
    });

scenario('comment-rate 0 is off', {}, async (server) => {
    const alice = await server.connect('live', 'alice');
    await publish(alice, 'live', Array.from({ length: 300 }, (_, i) => `t${i}`));
    assert.equal(heard(alice, 'live').length, 300);
});

scenario('commands are limited, and going on and on ends the connection with 4101',
    { 'command-rate': null, 'grace-ms': GRACE_MS }, async (server) => {
        const other = await server.connect('live', 'other');
        const alice = await server.connect('live', 'alice');
        for (let i = 0; i < 60; ++i) alice.send('kick', { user: 'other', id: `k${i}` });
        const limited = await alice.next('error', (e) => e.code === 'rate_limited');
        assert.ok(limited.retry_after_ms > 0, JSON.stringify(limited));
        const before = alice.all('error', (e) => e.code === 'forbidden').length;
        assert.ok(before >= 10 && before <= 25, `a burst of about twenty, not ${before}`);
        for (let i = 0; i < 2_000 && !alice.end; ++i) {
            alice.send('kick', { user: 'other' });
            if (i % 100 === 99) await delay(10);
        }
        await alice.farewell({ code: 4101, reconnect: 'backoff' });
        assert.equal((await alice.close_of()).code, 4101);
        await publish(other, 'live', ['unharmed']);
    });

scenario('max-connections caps them, and one who leaves makes room', { 'max-connections': 3 }, async (server) => {
    const clients = [];
    for (let i = 0; i < 3; ++i) clients.push(await server.connect('live', `user${i}`));
    const fourth = server.connect('live', 'late').then((client) => client, (error) => error);
    const early = await Promise.race([fourth, delay(300, 'waits')]);
    assert.ok(early === 'waits' || early instanceof Error, 'not served while the server is full');
    for (const client of clients) await client.accepted('comment', { text: 'still here' });
    clients[0].socket.terminate();
    const late = early === 'waits' ? await fourth : await server.connect('live', 'late');
    await late.accepted('comment', { text: 'now here' });
});

scenario('loopback is exempt from max-per-address', { 'max-per-address': 1 }, async (server) => {
    for (let i = 0; i < 4; ++i) await server.connect('live', `user${i}`);
    assert.deepEqual(await server.counts('live'), { users: 4, connections: 4 });
});
