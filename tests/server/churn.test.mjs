// SPDX-License-Identifier: MIT
// Connections that come and go by the thousand, in nine ways:
// afterwards the server holds no more than before.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import net from 'node:net';
import { eventually, INSTRUMENTED, scenario } from './harness.mjs';
import { frame, Wire } from './wire.mjs';

const SCALE = Number(process.env.ROOMCAST_TEST_SCALE || 1);
const WARM_UP = 4;
const ROUNDS = SCALE >= 10 ? 500 : 10;           // after that
const CONNECTIONS = INSTRUMENTED ? 200 : 2_000;  // of each round
const LANES = 40;                                // at a time; while warming up twice as many, so that no peak is higher later
const GOING_AWAY = '\x03\xe9';

/** A member of its room; what it hears but answers is of no interest. */
async function member(server, user, fields = {}) {
    const wire = await Wire.open(server, (bytes) => {
        const { event } = JSON.parse(bytes);
        if (event === 'joined' || event === 'left') wire[event] = true;
    });
    wire.send({ event: 'join', room: `room ${user.length % 3}`, user, history: 0, ...fields });
    await wire.when(() => wire.joined, `${user} joins`);
    return wire;
}

async function closing(wire) {
    wire.net.end(frame(8, GOING_AWAY));
    await wire.closed;
}

/** Each takes the user's name, and answers with how many connections it made. */
const WAYS = {
    async 'with a close'(server, user) {
        await closing(await member(server, user));
        return 1;
    },
    async 'with a close, after it has left'(server, user) {
        const wire = await member(server, user);
        wire.send({ event: 'leave' });
        await wire.when(() => wire.left, `${user} leaves`);
        await closing(wire);
        return 1;
    },
    async 'by the end of the stream'(server, user) {
        const wire = await member(server, user);
        wire.net.end();
        await wire.closed;
        return 1;
    },
    async 'by a reset'(server, user) {
        (await member(server, user)).reset();
        return 1;
    },
    async 'by a reset while it joins'(server, user) {
        const wire = await Wire.open(server, () => {});
        wire.send({ event: 'join', room: 'room 0', user });
        wire.reset();
        return 1;
    },
    async 'before it has joined'(server) {
        await closing(await Wire.open(server, () => {}));
        return 1;
    },
    async 'in the middle of the handshake'(server) {
        const socket = net.connect({ host: server.host, port: server.port });
        await new Promise((resolve) => socket.write('GET /ws HTTP/1.1\r\nHost: ', resolve));
        socket.resetAndDestroy();
        return 1;
    },
    async 'with a message cut off'(server, user) {
        const wire = await member(server, user);
        wire.net.write(frame(1, '{"event":"comment","text":"and then').subarray(0, 20));
        wire.reset();
        return 1;
    },
    // It reads nothing any more and answers nothing: the server must end it,
    // when another device takes its place.
    async 'silently, half open'(server, user) {
        const silent = await member(server, user);
        silent.pause();
        const next = await member(server, user);
        await closing(next);
        silent.resume();
        await silent.closed;
        return 2;
    },
};

const descriptors = (server) => readdirSync(`/proc/${server.child.pid}/fd`).length;

/** Some thousands come and go, each way as often as the others. */
async function round(server, number, lanes) {
    const ways = Object.values(WAYS);
    let started = 0;
    let made = 0;
    const lane = async () => {
        while (made < CONNECTIONS) {
            const i = started++;
            const more = await ways[i % ways.length](server, `user ${number} ${i}`);
            made += more;
        }
    };
    await Promise.all(Array.from({ length: lanes }, lane));
    server.clients.length = 0;
    return made;
}

scenario(`after ${ROUNDS * CONNECTIONS} connections have gone in every way, no descriptor and no memory is lost`,
    { limits: 'off', 'max-devices': 1, 'grace-ms': 20, 'max-per-address': 0 }, async (server) => {
        const before = descriptors(server);
        const memory = [];
        let made = 0;
        for (let i = 0; i < WARM_UP + ROUNDS; ++i) {
            made += await round(server, i, i < WARM_UP ? 2 * LANES : LANES);
            await eventually(() => server.json('/api/rooms'), ({ total }) => total === 0, 'rooms after the last has gone');
            await eventually(() => descriptors(server), (now) => now === before, `descriptors, ${before} before`);
            memory.push(server.memory());
        }
        console.log(`${made} connections; MiB after each round: ${memory.map((mib) => mib.toFixed(2)).join(' ')}`);
        const warm = memory[WARM_UP - 1];
        assert.ok(memory.at(-1) <= warm * 1.02, `${memory.at(-1)} MiB, ${warm} MiB when warm`);
    }, { timeout: SCALE >= 10 ? 3_600_000 : 120_000 });
