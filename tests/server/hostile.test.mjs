// SPDX-License-Identifier: MIT
// Peers that misbehave below the protocol: nobody else notices, memory stays
// bounded, and nothing of them stays behind (which `scenario` checks).
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { describe } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { eventually, heard, limited, publish, scenario } from './harness.mjs';

const BOUND_MIB = 48;

// More than the kernel's buffers for one connection and any outbox hold: about 12 MB.
const LARGE = Array.from({ length: 6_000 }, (_, i) => `${i} ${'🎉'.repeat(490)}`);

function mask_ping(payload) {
    return Buffer.concat([Buffer.from([0x89, 0x80 | payload, 0, 0, 0, 0]), Buffer.alloc(payload)]);
}

async function tcp(server, bytes = '') {
    const socket = net.connect(server.port, server.host);
    socket.on('error', () => {});
    await once(socket, 'connect');
    if (bytes) socket.write(bytes);
    return socket;
}

scenario('a peer that never reads costs the others nothing, and hears of its gap when it reads again', {}, async (server) => {
    const members = [];
    for (let i = 0; i < 3; ++i) members.push(await server.connect('live', `user${i}`));
    const sleeper = await server.connect('live', 'sleeper');
    const before = server.memory();
    sleeper.socket.pause();

    const count = LARGE.length;
    let highest = 0;
    const watch = setInterval(() => (highest = Math.max(highest, server.memory())), 50);
    await publish(members[0], 'live', LARGE, 32);
    clearInterval(watch);
    for (const client of members) {
        await client.reached('live', count);
        assert.deepEqual(client.all('gap'), [], 'the others missed nothing');
        assert.deepEqual(heard(client, 'live').map(([, , text]) => parseInt(text)), LARGE.map((_, i) => i));
    }
    assert.ok(highest - before < BOUND_MIB, `memory grew from ${before} to ${highest} MiB`);

    sleeper.socket.resume();
    await publish(members[1], 'live', ['fence']);
    const fence = sleeper.next('comment', (e) => e.text === 'fence');
    const outcome = await Promise.race([sleeper.closed, fence]);
    if (sleeper.end) return assert.ok([4100, 1006].includes(outcome.code), JSON.stringify(outcome));
    const gaps = sleeper.all('gap');
    assert.ok(gaps.length > 0, 'it missed some and was told');
    const missed = count + 1 - heard(sleeper, 'live').length;
    assert.equal(gaps.reduce((sum, gap) => sum + gap.dropped, 0), missed, 'exactly what it missed');
    for (const gap of gaps) assert.equal(gap.to - gap.from + 1, gap.dropped);
});

scenario('a flood of pings that are never read is bounded', {}, async (server) => {
    const [alice, bob] = [await server.connect('live', 'alice'), await server.connect('live', 'bob')];
    const flooder = await server.connect('live', 'flooder');
    const before = server.memory();
    flooder.socket.pause();
    const burst = Buffer.concat(Array(2_000).fill(mask_ping(125)));
    let highest = 0;
    const end = Date.now() + 3_000;
    for (let sent = 0; sent < 250 && !flooder.end && Date.now() < end; ++sent) {
        // A server that stops reading pushes back: nothing drains, which is an answer too.
        if (!flooder.raw(burst)) {
            await Promise.race([once(flooder.socket._socket, 'drain'), flooder.closed, delay(end - Date.now())]).catch(() => {});
        }
        highest = Math.max(highest, server.memory());
        if (sent % 25 === 0) await alice.accepted('comment', { text: `while flooding ${sent}` });
    }
    assert.ok(highest - before < BOUND_MIB, `memory grew from ${before} to ${highest} MiB`);
    await alice.accepted('comment', { text: 'fence' });
    await bob.next('comment', (e) => e.text === 'fence');
});

scenario('who floods with pings is removed like anybody else: out of the room, told, then closed', { 'grace-ms': 500 }, async (server) => {
    const alice = await server.connect('live', 'alice');
    const flooder = await server.connect('live', 'flooder');
    let pongs = 0;
    flooder.socket.on('pong', () => ++pongs);
    flooder.raw(Buffer.concat(Array(400).fill(mask_ping(1))));
    await flooder.farewell({ code: 4101, reconnect: 'backoff', room: 'live' });
    assert.deepEqual(await server.counts('live'), { users: 1, connections: 1 }, 'out of the room at once');
    await flooder.request('ping');
    assert.equal((await flooder.close_of()).code, 4101, 'after the grace period');
    assert.ok(pongs > 0 && pongs < 50, `${pongs} pongs`);
    assert.equal(flooder.all('force_disconnect').length, 1);
    await alice.accepted('comment', { text: 'still here' });

    const stranger = await server.connect();
    stranger.raw(Buffer.concat(Array(400).fill(mask_ping(1))));
    await stranger.farewell({ code: 4101 });
    assert.equal((await stranger.close_of()).code, 4101);
});

scenario('a flood of ping events that are never answered to is bounded', { 'command-rate': null }, async (server) => {
    const [alice, bob] = [await server.connect('live', 'alice'), await server.connect('live', 'bob')];
    const flooder = await server.connect('live', 'flooder');
    const before = server.memory();
    flooder.socket.pause();
    let highest = 0;
    for (let round = 0; round < 50 && !flooder.end; ++round) {
        for (let i = 0; i < 2_000; ++i) flooder.send('ping', { id: 'x'.repeat(64) });
        await delay(5);
        highest = Math.max(highest, server.memory());
    }
    assert.ok(highest - before < BOUND_MIB, `memory grew from ${before} to ${highest} MiB`);
    await alice.accepted('comment', { text: 'fence' });
    await bob.next('comment', (e) => e.text === 'fence');
});

scenario('peers that stop in the middle of a handshake or a frame hinder nobody', {}, async (server) => {
    const opening = `GET /ws HTTP/1.1\r\nHost: ${server.host}:${server.port}\r\nUpgrade: websocket\r\n`;
    const silent = [];
    for (const bytes of ['', 'G', 'GET /ws HT', opening, `${opening}Connection: Upgr`]) {
        for (let i = 0; i < 10; ++i) silent.push(await tcp(server, bytes));
    }
    const halves = [];
    for (let i = 0; i < 5; ++i) {
        const client = await server.connect('live', `half${i}`);
        client.raw(Buffer.from([0x81, 0xfe, 0x10, 0x00, 1, 2, 3, 4, 0x7b]));
        halves.push(client);
    }
    const [alice, bob] = [await server.connect('live', 'alice'), await server.connect('live', 'bob')];
    await alice.accepted('comment', { text: 'hello' });
    await bob.next('comment', (e) => e.text === 'hello');
    for (const [i, client] of halves.entries()) i % 2 ? client.reset() : client.socket.terminate();
    for (const socket of silent) socket.destroy();
    await eventually(() => server.counts('live'), (c) => c.users === 2, 'after they went');
});

scenario('headers without end are refused', {}, async (server) => {
    const before = server.memory();
    const socket = await tcp(server, `GET / HTTP/1.1\r\nHost: ${server.host}:${server.port}\r\n`);
    socket.resume();
    let closed = false;
    socket.on('close', () => (closed = true));
    for (let i = 0; i < 4_000 && !closed; ++i) {
        if (!socket.write(`X-Header-${i}: ${'x'.repeat(4_000)}\r\n`)) {
            await Promise.race([once(socket, 'drain'), once(socket, 'close'), delay(100)]).catch(() => {});
        }
    }
    assert.ok(server.memory() - before < BOUND_MIB);
    await eventually(() => closed, (c) => c, 'the close');
});

scenario('a peer that half-closes is gone, and so is one that resets', {}, async (server) => {
    const alice = await server.connect('live', 'alice');
    const half = await server.connect('live', 'half');
    half.socket._socket.end();
    await eventually(() => server.counts('live'), (c) => c.users === 1, 'after a half-close');
    const reset = await server.connect('live', 'reset');
    reset.reset();
    await eventually(() => server.counts('live'), (c) => c.users === 1, 'after a reset');
    await alice.accepted('comment', { text: 'still here' });
});

scenario('resets in a busy room leave one leave each, and the others miss nothing', {}, async (server) => {
    const stable = [];
    for (let i = 0; i < 3; ++i) stable.push(await server.connect('live', `user${i}`));
    const texts = Array.from({ length: 400 }, (_, i) => `t${i}`);
    const busy = Promise.all(stable.map((client) => publish(client, 'live', texts)));
    for (let round = 0; round < 10; ++round) {
        // Others each time: the last request of one who reset may be heard after who comes next has joined.
        const doomed = await Promise.all([0, 1, 2, 3, 4].map((i) => server.connect('live', `doomed${round}-${i}`)));
        for (const client of doomed) {
            client.send('comment', { text: 'last words' });
            client.send('join', { room: 'other' });
            client.reset();
        }
    }
    await busy;
    await eventually(() => server.counts('live'), (c) => c.users === 3 && c.connections === 3, 'the room');
    await eventually(() => server.counts('other'), (c) => c === undefined, 'the other room');
    await publish(stable[0], 'live', ['fence']);
    const { last } = stable[0].rooms.get('live');
    for (const client of stable) {
        await client.reached('live', last);
        assert.deepEqual(heard(client, 'live'), heard(stable[0], 'live'));
    }
});

// Most of these is waiting, so they wait together.
describe('in time', { concurrency: true }, () => {
    scenario('a peer that never reads again does not stay for ever', {}, async (server) => {
        const [alice, bob] = [await server.connect('live', 'alice'), await server.connect('live', 'bob')];
        const sleeper = await server.connect('live', 'sleeper');
        sleeper.socket.pause();
        const gone = bob.later('presence', (e) => e.users === 2, 30_000);
        await publish(alice, 'live', LARGE, 32);
        // No write progress for ten seconds ends a connection.
        await gone;
        assert.deepEqual(await server.counts('live'), { users: 2, connections: 2 });
        assert.deepEqual(bob.all('gap'), []);
    });

    scenario('a handshake that is never finished is given up', {}, async (server) => {
        const socket = await tcp(server, 'GET /ws HTTP/1.1\r\nHost: localhost\r\n');
        socket.resume();
        await limited(once(socket, 'close'), 'the end of it', 20_000);
    });
});
